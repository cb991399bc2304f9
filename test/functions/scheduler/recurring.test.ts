/** Jobs that recur, jobs that wait for others, and those who want to be told. */
import * as assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { createDataClient } from '@bramble/runtime/service/data-client'
import { tidy } from '../../../functions/scheduler/store/housekeeping.ts'
import { migrations } from '../../../functions/scheduler/store/schema.ts'
import { cases, eventually, test } from '../../kit.ts'
import { recordIn, stageForFile, WEBHOOK_KEY } from './stage.ts'

const { on, end } = stageForFile({ look_every: '200ms', tidy_every: '1s' })
const EVERY_SECOND = '* * * * * *'

test('a recurring job runs at each of its moments, once', async () => {
  const stage = await on()
  const id = await stage.job({ target: stage.at('/tick'), cron: { pattern: EVERY_SECOND } })
  await eventually('two runs', async () => (await stage.runs(id)).filter(({ state }) => state === 'succeeded').length >= 2)
  await stage.call('POST', `/v1/jobs/${id}/cancel`)
  const dues = stage.target.to('/tick').map(({ headers }) => String(headers['x-scheduler-due']))
  assert.equal(new Set(dues).size, dues.length)
  assert.ok(dues.every((due) => due.endsWith('.000Z')))
})

test('a run that would overlap is left out, waits, or begins beside the other', async () => {
  const stage = await on()
  const ids = new Map<string, string>()
  for (const overlap of ['skip', 'queue', 'allow']) {
    ids.set(overlap, await stage.job({ name: overlap, queue: 'overlap', target: stage.at(`/overlap/${overlap}?wait=1300`), cron: { pattern: EVERY_SECOND, overlap } }))
  }
  const skipping = ids.get('skip') ?? ''
  await eventually('one was left out', async () => Number((await stage.call('GET', `/v1/jobs/${skipping}`)).body['skipped_runs']) > 0)
  await eventually('two are beside each other', () => stage.target.to('/overlap/allow').filter(({ endedMs }) => endedMs === undefined).length >= 2)
  await eventually('the queued one has had two', () => stage.target.to('/overlap/queue').length >= 2)
  for (const id of ids.values()) await stage.call('POST', `/v1/jobs/${id}/cancel`)
  const beside = stage.target.to('/overlap/allow').map(({ run }) => run)
  assert.equal(new Set(beside).size, beside.length, 'a run was begun twice')
  for (const kind of ['skip', 'queue']) {
    const calls = stage.target.to(`/overlap/${kind}`)
    assert.ok(calls.every(({ beganMs }, i) => i === 0 || beganMs >= (calls[i - 1]?.endedMs ?? Infinity)), kind)
  }
})

cases('moments that were missed', [
  { name: 'are let go', catchUp: 'none', most: 1 },
  { name: 'are made up for by one', catchUp: 'one', least: 1, most: 1 },
  { name: 'are made up for, each', catchUp: 'all', least: 5, most: 6 },
] as const, async ({ catchUp, most, ...rest }) => {
  const stage = await on()
  const id = await stage.job({ target: stage.at(`/missed/${catchUp}`), cron: { pattern: '0 */5 * * *', catch_up: catchUp, overlap: 'allow' } })
  // As if nobody had looked for 25 hours.
  const past = Date.now() - 25 * 3_600_000
  await stage.execute(`UPDATE jobs SET planned_at = ${past}, next_at = ${past + 1} WHERE id = '${id}'`)
  await eventually('it was planned', async () => Number((await stage.rows(`SELECT next_at FROM jobs WHERE id = '${id}'`))[0]?.[0]) > Date.now())
  await eventually('all have run', async () => (await stage.runs(id)).every(({ state }) => state === 'succeeded'))
  const count = (await stage.runs(id)).length
  assert.ok(count >= ('least' in rest ? rest.least : 0) && count <= most, `${count} runs`)
})

test('the time zone and the jitter of a recurring job count for its first moment, and for those that are planned later', async () => {
  const stage = await on()
  const tokyo = await stage.job({ target: stage.at('/tokyo'), cron: { pattern: '30 4 10 3 *', timezone: 'Asia/Tokyo' } })
  const apart = await stage.job({ target: stage.at('/apart'), cron: { pattern: '0 0 1 1 *', jitter_seconds: 3600 } })
  const nextRuns = () => Promise.all([tokyo, apart].map(async (id) => String((await stage.call('GET', `/v1/jobs/${id}`)).body['next_run_at'])))
  const first = await nextRuns()
  // Tokyo is nine hours ahead all year, so there it is the next day already.
  assert.match(first[0] ?? '', /-03-09T19:30:00\.000Z$/)
  // Of 3,600,001 amounts of jitter one is none.
  assert.match(first[1] ?? '', /-01-01T00:(?!00:00\.000)/)
  const past = Date.now() - 1000
  await stage.execute(`UPDATE jobs SET planned_at = ${past}, next_at = ${past + 1} WHERE id IN ('${tokyo}', '${apart}')`)
  await eventually('they were planned', async () => (await nextRuns()).every((at) => Date.parse(at) > Date.now()))
  assert.deepEqual(await nextRuns(), first)
})

test('a clock that was far ahead leaves no job waiting for its time to come round', async () => {
  const stage = await on()
  const id = await stage.job({ target: stage.at('/ahead'), cron: { pattern: EVERY_SECOND } })
  const future = Date.now() + 365 * 86_400_000
  await stage.execute(`UPDATE jobs SET planned_at = ${future}, next_at = ${future + 1000} WHERE id = '${id}'`)
  await stage.job({ target: stage.at('/wakes') })
  await eventually('it runs again', () => stage.target.to('/ahead').length > 0)
  await stage.call('POST', `/v1/jobs/${id}/cancel`)
})

test('a job begins when all that it depends on has succeeded', async () => {
  const stage = await on()
  const [one, other] = [await stage.job({ target: stage.at('/dep/one?wait=200') }), await stage.job({ target: stage.at('/dep/other?wait=500') })]
  const last = await stage.job({ target: stage.at('/dep/last'), depends_on: [one, other] })
  assert.equal((await stage.runs(last))[0]?.['state'], 'waiting')
  await stage.run(last, 'succeeded')
  const began = stage.target.to('/dep/last')[0]?.beganMs ?? 0
  for (const path of ['/dep/one', '/dep/other']) assert.ok(began >= (stage.target.to(path)[0]?.endedMs ?? Infinity))
  // What is over already holds nothing up.
  await stage.run(await stage.job({ target: stage.at('/dep/after'), depends_on: [last] }), 'succeeded')
})

test('when a job fails, those that depend on it are cancelled, run all the same, or wait for its redrive', async () => {
  const stage = await on()
  const failing = await stage.job({ target: stage.at('/fails?wait=300&statuses=400,200') })
  const after = (policy: string, on_: readonly string[]) => stage.job({ name: policy, target: stage.at(`/after/${policy}`), depends_on: on_, if_dependency_fails: policy })
  const [cancelled, running, waiting] = [await after('cancel', [failing]), await after('run', [failing]), await after('wait', [failing])]
  const cascade = await stage.job({ target: stage.at('/after/cascade'), depends_on: [cancelled] })
  const rescue = await stage.job({ target: stage.at('/after/rescue'), depends_on: [cascade], if_dependency_fails: 'run' })
  await stage.run(running, 'succeeded')
  await stage.run(rescue, 'succeeded')
  await stage.run(cancelled, 'cancelled')
  await stage.run(cascade, 'cancelled')
  assert.equal((await stage.call('GET', `/v1/jobs/${cascade}`)).body['state'], 'cancelled')
  assert.equal((await stage.runs(waiting))[0]?.['state'], 'waiting')
  const [late] = [await stage.job({ target: stage.at('/after/late'), depends_on: [failing] })]
  await stage.run(late, 'cancelled')
  await stage.call('POST', '/v1/dead-letters/redrive', { job: failing })
  await stage.run(waiting, 'succeeded')
  assert.equal(stage.target.to('/after/cascade').length + stage.target.to('/after/cancel').length + stage.target.to('/after/late').length, 0)
})

test('jobs that would wait for each other are refused, and stay as they were', async () => {
  const stage = await on()
  const body = { target: stage.at('/cycle'), delay_seconds: 3600 }
  const a = await stage.job(body)
  const b = await stage.job({ ...body, depends_on: [a] })
  const c = await stage.job({ ...body, depends_on: [b] })
  for (const depends_on of [[c], [b], [a]]) {
    const reply = await stage.call('PATCH', `/v1/jobs/${a}`, { depends_on })
    assert.deepEqual([reply.status, reply.body['code']], [409, 'dependency_cycle'])
  }
  assert.deepEqual((await stage.call('GET', `/v1/jobs/${a}`)).body['depends_on'], [])
  const changed = await stage.call('PATCH', `/v1/jobs/${c}`, { depends_on: [a] })
  assert.deepEqual([changed.status, changed.body['depends_on']], [200, [a]])
})

test('who wants to be told of the end is told, signed, and again until it is taken', async () => {
  const stage = await on()
  const id = await stage.job({ name: 'told', target: stage.at('/work?text=result'), on_complete: stage.at('/hook?statuses=500,204') })
  await stage.run(id, 'succeeded')
  const hooks = await eventually('the hook was called twice', () => stage.target.to('/hook').length === 2 && stage.target.to('/hook'))
  for (const { headers, body } of hooks) {
    const mac = createHmac('sha256', WEBHOOK_KEY).update(`${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`).digest('base64')
    assert.equal(headers['webhook-signature'], `v1,${mac}`)
    assert.ok(Math.abs(Number(headers['webhook-timestamp']) * 1000 - Date.now()) < 60_000)
    const { type, data } = JSON.parse(body)
    assert.deepEqual([type, data.job_id, data.name, data.state, data.result, data.attempts], ['run.completed', id, 'told', 'succeeded', 'result', 1])
  }
  assert.equal(hooks[0]?.headers['webhook-id'], hooks[1]?.headers['webhook-id'])
  await eventually('it is known as sent', async () => (await stage.runs(id)).some(({ kind, state }) => kind === 'webhook' && state === 'succeeded'))
  const failing = await stage.job({ target: stage.at('/work-that-fails?status=400'), on_complete: stage.at('/hook-of-failure') })
  await stage.run(failing, 'dead')
  const [told] = await eventually('told of it', () => stage.target.to('/hook-of-failure').length === 1 && stage.target.to('/hook-of-failure'))
  assert.equal(recordIn(JSON.parse(told?.body ?? '').data)['state'], 'dead')
})

test('a recurring job goes on from where it is resumed, and a new pattern counts at once', async () => {
  const stage = await on()
  const id = await stage.job({ target: stage.at('/resumed'), cron: { pattern: '0 0 1 1 *' } })
  await stage.call('POST', `/v1/jobs/${id}/pause`)
  assert.equal((await stage.call('GET', `/v1/jobs/${id}`)).body['next_run_at'], undefined)
  const resumed = await stage.call('POST', `/v1/jobs/${id}/resume`)
  assert.match(String(resumed.body['next_run_at']), /-01-01T00:00:00.000Z$/)
  await stage.call('PATCH', `/v1/jobs/${id}`, { cron: { pattern: EVERY_SECOND } })
  await eventually('it runs', () => stage.target.to('/resumed').length > 0)
  await stage.call('POST', `/v1/jobs/${id}/cancel`)
})

test('what is over is removed after its time, and the oldest runs of a job before', async () => {
  const stage = await on()
  const db = createDataClient({ url: stage.dataUrl, database: 'scheduler', token: stage.serviceToken, migrations })
  const [old, recent, letter] = [await stage.job({ target: stage.at('/old') }), await stage.job({ target: stage.at('/recent') }), await stage.job({ target: stage.at('/letter?status=400') })]
  await Promise.all([stage.run(old, 'succeeded'), stage.run(recent, 'succeeded'), stage.run(letter, 'dead')])
  for (let i = 0; i < 3; i++) {
    await stage.call('POST', `/v1/jobs/${recent}/run`)
    await eventually('it has run again', async () => (await stage.runs(recent)).filter(({ state }) => state === 'succeeded').length === i + 2)
  }
  const age = `UPDATE runs SET ended_at = ended_at - 7200000 WHERE job_id IN ('${old}', '${letter}')`
  await stage.execute(age)
  await stage.execute(`UPDATE jobs SET ended_at = ended_at - 7200000 WHERE id IN ('${old}', '${letter}')`)
  await tidy(db, { historyMs: 3_600_000, historyRuns: 2, deadLetterMs: 86_400_000 })
  assert.equal((await stage.call('GET', `/v1/jobs/${old}`)).status, 404)
  assert.equal((await stage.runs(recent)).length, 2)
  assert.equal((await stage.runs(letter)).length, 1)
  await tidy(db, { historyMs: 3_600_000, historyRuns: 2, deadLetterMs: 3_600_000 })
  assert.equal((await stage.call('GET', `/v1/jobs/${letter}`)).status, 404)
})

test('what is over is removed by the service itself', async () => {
  const stage = await on()
  const id = await stage.job({ target: stage.at('/over') })
  await stage.run(id, 'succeeded')
  for (const table of ['runs', 'jobs']) await stage.execute(`UPDATE ${table} SET ended_at = ended_at - ${31 * 86_400_000} WHERE ${table === 'runs' ? 'job_id' : 'id'} = '${id}'`)
  await eventually('it is gone', async () => (await stage.call('GET', `/v1/jobs/${id}`)).status === 404)
})

end()
