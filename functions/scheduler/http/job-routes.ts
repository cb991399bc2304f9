/** Routes of jobs. */
import { json, nothing } from '@bramble/runtime/service/answer'
import { createCursorCodec, pageOf } from '@bramble/runtime/service/cursor'
import { checkIfMatch, etagOf } from '@bramble/runtime/service/etag'
import { createIdempotency } from '@bramble/runtime/service/idempotency'
import { type Route, routeFor } from '@bramble/runtime/service/route'
import * as z from 'zod'
import type { Deps } from '../deps.ts'
import { cancelJob, pauseJob, removeJob, resumeJob, runNow } from '../store/job-control.ts'
import { changeJob, createJob, needJob } from '../store/jobs.ts'
import { findAnswer, keepAnswer } from '../store/kept-answers.ts'
import { JOB_COLUMNS, readJob, showJob, type StoredJob } from '../store/stored-job.ts'
import { pageByBytes } from '../store/page-by-bytes.ts'
import { runsOf } from '../store/runs.ts'
import { showRun } from '../store/stored-run.ts'
import { idempotencyKey, ifMatch, inPath, Job, JobChange, jobStates, NewJob, page, paging, QueueName, Run } from './shapes.ts'

/** A payload, and what is around it; nothing a board could not hold many of. */
const BODY_LIMIT_BYTES = 256 * 1024
const etagHeader = { ETag: 'Of the job' }
const answersJob = { 200: { description: 'The job', schema: Job, headers: etagHeader } }

export function jobRoutes(deps: Deps): readonly Route<undefined>[] {
  const { db } = deps
  const route = routeFor<undefined>()
  const once = createIdempotency()
  const jobCursors = createCursorCodec(z.strictObject({ after: z.string().max(64) }))
  const runCursors = createCursorCodec(z.strictObject({ at: z.int(), id: z.string().max(100) }))
  const common = { tag: 'jobs', access: 'token', bodyLimitBytes: BODY_LIMIT_BYTES } as const
  const answer = (job: StoredJob, status = 200) => json(showJob(job), status, { etag: etagOf(job.version) })
  const changing = (at: string, id: string, summary: string, change: (deps: Deps, id: string, ifMatch: string | undefined) => Promise<unknown>, description?: string) => route({
    ...common, method: 'post', at: `/v1/jobs/:id/${at}`, id, summary, ...(description !== undefined && { description }), path: inPath, headers: ifMatch, answers: answersJob,
    async handle({ path, headers }) {
      await change(deps, path.id, headers['if-match'])
      return answer(await needJob(db, path.id))
    },
  })

  return [
    route({
      ...common, method: 'post', at: '/v1/jobs', id: 'createJob', summary: 'A job: now, at a time, after a delay, or by cron',
      headers: idempotencyKey, body: NewJob,
      answers: {
        200: { description: 'The unfinished job that has this unique_key', schema: Job, headers: etagHeader },
        201: { description: 'The job', schema: Job, headers: { ...etagHeader, Location: 'Where it is' } },
      },
      async handle({ headers, body }) {
        return once({
          key: headers['idempotency-key'], scope: 'jobs', request: body, store: { find: (key) => findAnswer(db, 'jobs', key) },
          async run(call) {
            const { job, isNew } = await createJob(deps, body, (shown) =>
              call === undefined ? [] : keepAnswer('jobs', { ...call, status: 201, body: JSON.stringify(shown) }))
            const made = answer(job, isNew ? 201 : 200)
            return isNew ? { ...made, headers: { ...made.headers, location: `v1/jobs/${job.id}` } } : made
          },
        })
      },
    }),
    route({
      ...common, method: 'get', at: '/v1/jobs', id: 'listJobs', summary: 'Jobs, the oldest first',
      query: paging.extend({ queue: QueueName.optional(), state: z.enum(jobStates).optional(), name: z.string().max(100).optional() }),
      answers: { 200: { description: 'A page of them', schema: page(Job) } },
      async handle({ query: { limit, cursor, ...filter } }) {
        const { after } = cursor === undefined ? { after: '' } : await jobCursors.read(cursor)
        const { queue, state, name } = filter
        const found = await pageByBytes(db, {
          columns: JOB_COLUMNS, large: ['j.spec'],
          from: `FROM jobs j WHERE j.id > :after ${queue === undefined ? '' : 'AND j.queue = :queue'} ${state === undefined ? '' : 'AND j.state = :state'}
            ${name === undefined ? '' : 'AND j.name = :name'} ORDER BY j.id`,
          parameters: { after, ...(queue !== undefined && { queue }), ...(state !== undefined && { state }), ...(name !== undefined && { name }) },
        }, limit)
        return json(pageOf(found.rows.map((row) => showJob(readJob(row))), found.limit, jobCursors, ({ id }) => ({ after: id })))
      },
    }),
    route({
      ...common, method: 'get', at: '/v1/jobs/:id', id: 'getJob', summary: 'One job', path: inPath, answers: answersJob,
      async handle({ path }) {
        return answer(await needJob(db, path.id))
      },
    }),
    route({
      ...common, method: 'patch', at: '/v1/jobs/:id', id: 'changeJob', summary: 'Changes what a job does, and when',
      description: 'For runs that begin from now on. `depends_on` can be changed until the job begins; a cycle is a 409 `dependency_cycle`.',
      path: inPath, headers: ifMatch, body: JobChange, answers: answersJob,
      async handle({ path, headers, body }) {
        const job = await needJob(db, path.id)
        checkIfMatch(headers['if-match'], etagOf(job.version))
        await changeJob(deps, job, body)
        return answer(await needJob(db, path.id))
      },
    }),
    route({
      ...common, method: 'delete', at: '/v1/jobs/:id', id: 'removeJob', summary: 'Removes a job with its history', path: inPath, headers: ifMatch,
      answers: { 204: { description: 'Done' } },
      async handle({ path, headers }) {
        await removeJob(deps, path.id, headers['if-match'])
        return nothing()
      },
    }),
    changing('pause', 'pauseJob', 'Nothing of it begins until it is resumed', pauseJob),
    changing('resume', 'resumeJob', 'Goes on', resumeJob, 'What a recurring job missed meanwhile is let go.'),
    changing('cancel', 'cancelJob', 'Ends it for good; what runs is ended', cancelJob),
    route({
      ...common, method: 'post', at: '/v1/jobs/:id/run', id: 'runJob', summary: 'Runs it now, whatever it waits for',
      description: 'A run that waits for its time, or for other jobs, begins; else there is one more. Of a job that runs already it is the next.',
      path: inPath, headers: idempotencyKey, answers: { 202: { description: 'The run', schema: Run } },
      async handle({ path, headers }) {
        const scope = `run ${path.id}`
        return once({
          key: headers['idempotency-key'], scope, request: path, store: { find: (key) => findAnswer(db, scope, key) },
          async run(call) {
            const run = await runNow(deps, path.id, (shown) => call === undefined ? [] : keepAnswer(scope, { ...call, status: 202, body: JSON.stringify(shown) }))
            return json(showRun(run), 202)
          },
        })
      },
    }),
    route({
      ...common, method: 'get', at: '/v1/jobs/:id/runs', id: 'listRuns', summary: 'Runs of a job, the latest first', path: inPath, query: paging,
      answers: { 200: { description: 'A page of them', schema: page(Run) } },
      async handle({ path, query: { limit, cursor } }) {
        await needJob(db, path.id)
        const before = cursor === undefined ? undefined : await runCursors.read(cursor)
        const found = await runsOf(db, path.id, { before, limit })
        const { items, ...more } = pageOf(found.runs, found.limit, runCursors, ({ due_at: at, id }) => ({ at, id }))
        return json({ items: items.map(showRun), ...more })
      },
    }),
  ]
}
