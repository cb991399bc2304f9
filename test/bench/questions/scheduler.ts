/**
 * Jobs with durable state, beside a bare loop that makes the same three changes and the same call for each job through the same data
 * service, in the same run; what a run costs in writes, how late runs begin, and memory.
 */
import { startStage, type Stage } from '../../functions/scheduler/stage.ts'
import { eventually } from '../../kit.ts'
import { cpuOf, memoryOf } from '../measure.ts'
import { megabytes, show, showSpread, showTable, spreadOf } from '../statistics.ts'
import type { BenchContext } from './question.ts'

const CALLERS = 16
const MANY = 1000
const SINGLE = 50
const TIMED = 100
const TIMED_APART_MS = 50

type Sample = { readonly perSecond: number; readonly writes: number; readonly cpuUs: number }

export async function scheduler(context: BenchContext): Promise<void> {
  const count = context.isQuick ? 200 : MANY
  const rounds = context.isQuick ? 1 : 3
  // As the defaults are, but for a queue that is not in the way.
  await using stage = await startStage({ lease: '15s', look_every: '10s', max_running: '32', queue_concurrency: '32' })
  await stage.run(await stage.job({ target: stage.at('/first') }), 'succeeded')
  const idle = memoryOf(stage.first.pid).anonBytes
  await stage.call('PUT', `${stage.dataUrl}/v1/db/bare`)
  await stage.call('PUT', `${stage.dataUrl}/v1/db/bare/migrations`, { migrations: [{ id: '1', sql: 'CREATE TABLE run (id TEXT PRIMARY KEY, state TEXT, spec TEXT, log TEXT) WITHOUT ROWID' }] })

  const samples = { bare: [] as Sample[], through: [] as Sample[], backlog: [] as Sample[] }
  for (let round = 0; round < rounds; round++) {
    samples.bare.push(await measure(stage, 'bare', count, () => bareLoop(stage, `${round}`, count)))
    samples.through.push(await measure(stage, 'scheduler', count, () => makeAndRun(stage, `through-${round}`, count)))
    await stage.call('PUT', `/v1/queues/backlog-${round}`, { paused: true })
    await makeJobs(stage, `backlog-${round}`, count)
    samples.backlog.push(await measure(stage, 'scheduler', count, async () => {
      await stage.call('PUT', `/v1/queues/backlog-${round}`, { paused: false })
      await untilRun(stage, `backlog-${round}`, count)
    }))
  }
  const singly = await measure(stage, 'scheduler', SINGLE, async () => {
    for (let i = 0; i < SINGLE; i++) await stage.run(await stage.job({ queue: 'singly', target: stage.at('/singly') }), 'succeeded')
  })
  const ratio = spreadOf(samples.through.map(({ perSecond }, i) => perSecond / (samples.bare[i]?.perSecond ?? NaN)))
  const row = (title: string, list: readonly Sample[], more = ''): string[] => [title, showSpread(spreadOf(list.map(({ perSecond }) => perSecond)), 0),
    show(spreadOf(list.map(({ writes }) => writes)).median, 2), show(spreadOf(list.map(({ cpuUs }) => cpuUs)).median, 0), more]
  context.print(showTable(`${count} jobs that do nothing, ${CALLERS} callers, ${rounds} rounds`, ['', 'jobs/s', 'writes/job', 'CPU us/job', 'of the bare loop'], [
    row('bare loop: insert, claim, call, finish', samples.bare).with(3, ''), row('made and run', samples.through, showSpread(ratio, 2)),
    row('run only: a backlog is let go', samples.backlog), row('one at a time, made and run', [singly]),
  ]))
  await lateness(stage, context)
  await idleCost(stage, context, idle)
}

/** `record` counts the transactions of a database that changed something; CPU time is that of the scheduler. */
async function measure(stage: Stage, database: string, count: number, work: () => Promise<void>): Promise<Sample> {
  const recordOf = async (): Promise<number> => JSON.parse((await stage.call('POST', `${stage.dataUrl}/v1/db/${database}/query`, { sql: 'SELECT 1' })).text).record
  const [recordBefore, cpuBefore, startMs] = [await recordOf(), cpuOf(stage.first.pid), performance.now()]
  await work()
  const seconds = (performance.now() - startMs) / 1000
  return { perSecond: count / seconds, writes: (await recordOf() - recordBefore) / count, cpuUs: (cpuOf(stage.first.pid) - cpuBefore) / count }
}

async function bareLoop(stage: Stage, name: string, count: number): Promise<void> {
  let next = 0
  const execute = async (sql: string, parameters: object): Promise<void> => {
    const reply = await stage.call('POST', `${stage.dataUrl}/v1/db/bare/execute`, { statements: [{ sql, parameters, expect: { changes: 1 } }] })
    if (reply.status !== 200) throw new Error(reply.text)
  }
  await Promise.all(Array.from({ length: CALLERS }, async () => {
    for (let i = next++; i < count; i = next++) {
      const id = `${name}-${i}`
      await execute("INSERT INTO run (id, state, spec, log) VALUES (:id, 'queued', :spec, '[]')", { id, spec: JSON.stringify({ target: stage.at('/bare') }) })
      await execute("UPDATE run SET state = 'running' WHERE id = :id AND state = 'queued'", { id })
      await (await fetch(`${stage.target.url}/function/target/bare`, { method: 'POST' })).text()
      await execute("UPDATE run SET state = 'succeeded', log = :log WHERE id = :id AND state = 'running'", { id, log: '[{"event":"succeeded"}]' })
    }
  }))
}

async function makeJobs(stage: Stage, queue: string, count: number): Promise<void> {
  let next = 0
  await Promise.all(Array.from({ length: CALLERS }, async () => {
    for (let i = next++; i < count; i = next++) await stage.job({ queue, target: stage.at('/job') })
  }))
}

async function makeAndRun(stage: Stage, queue: string, count: number): Promise<void> {
  await makeJobs(stage, queue, count)
  await untilRun(stage, queue, count)
}

async function untilRun(stage: Stage, queue: string, count: number): Promise<void> {
  await eventually('all have run', async () => Number((await stage.rows(`SELECT COUNT(*) FROM runs WHERE queue = '${queue}' AND state = 'succeeded'`))[0]?.[0]) === count)
}

/** From the moment that was asked for to the call's arrival, on one machine with one clock. */
async function lateness(stage: Stage, context: BenchContext): Promise<void> {
  const origin = Date.now() - performance.now()
  const startMs = Date.now() + 2000
  const ids = new Map<string, number>()
  for (let i = 0; i < TIMED; i++) {
    const atMs = startMs + i * TIMED_APART_MS
    ids.set(await stage.job({ queue: 'timed', target: stage.at('/timed'), at: new Date(atMs).toISOString() }), atMs)
  }
  await untilRun(stage, 'timed', TIMED)
  const late = stage.target.to('/timed').map(({ job, beganMs }) => beganMs + origin - (ids.get(job) ?? NaN)).sort((a, b) => a - b)
  context.print(`begun after its moment, ${TIMED} jobs ${TIMED_APART_MS} ms apart: median ${show(late[TIMED / 2] ?? NaN, 1)} ms, p90 ${show(late[TIMED * 0.9] ?? NaN, 1)} ms, most ${show(late.at(-1) ?? NaN, 1)} ms\n`)
}

async function idleCost(stage: Stage, context: BenchContext, idle: number): Promise<void> {
  const read = async (name: string): Promise<number> => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(await stage.first.metrics())?.[1])
  const before = { looks: await read('bramble_scheduler_looks_total'), transactions: await read('bramble_scheduler_transactions_total'), cpu: cpuOf(stage.first.pid) }
  await new Promise((resolve) => setTimeout(resolve, context.isQuick ? 3000 : 11_000))
  context.print(`idle for ${context.isQuick ? 3 : 11} s: ${await read('bramble_scheduler_looks_total') - before.looks} looks, ` +
    `${await read('bramble_scheduler_transactions_total') - before.transactions} writes, ${(cpuOf(stage.first.pid) - before.cpu) / 1000} ms of CPU time\n` +
    `private memory: idle with one job ${megabytes(idle)} MB, after all of this ${megabytes(memoryOf(stage.first.pid).anonBytes)} MB\n`)
}
