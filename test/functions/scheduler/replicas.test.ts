/** Several replicas on the same jobs: one at a time, whatever becomes of them. */
import * as assert from 'node:assert/strict'
import { eventually, test } from '../../kit.ts'
import { recordIn, stageForFile } from './stage.ts'

const { on, end } = stageForFile()
const JOBS = 150

function metric(text: string, name: string): number {
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? NaN)
}

test('of many jobs on several replicas each is called once, and every replica has some', async () => {
  const stage = await on()
  const [second, third] = [await stage.startReplica(), await stage.startReplica()]
  const replicas = [stage.first, second, third]
  const ids = await Promise.all(Array.from({ length: JOBS }, async (_, i) => {
    const reply = await stage.call('POST', `${replicas[i % replicas.length]?.url ?? ''}/v1/jobs`, { queue: 'many', target: stage.at('/many?wait=20') })
    assert.equal(reply.status, 201, reply.text)
    return reply.body['id']
  }))
  await eventually('all have run', async () => Number((await stage.rows("SELECT COUNT(*) FROM runs WHERE queue = 'many' AND state = 'succeeded'"))[0]?.[0]) === JOBS)
  assert.deepEqual(stage.target.to('/many').map(({ job }) => job).sort(), ids.sort())
  // No number is given twice.
  assert.equal(new Set(stage.target.to('/many').map(({ fence }) => fence)).size, JOBS)
  for (const { metrics } of replicas) assert.ok(metric(await metrics(), 'bramble_scheduler_attempts_begun_total') > 0)
  await second[Symbol.asyncDispose]()
  await third[Symbol.asyncDispose]()
})

test('a replica that hangs is taken over from, what it says afterwards is refused, and one that works keeps its long call', async () => {
  const stage = await on()
  const long = await stage.job({ target: stage.at('/long?wait=hold'), timeout_seconds: 600 })
  await eventually('the long one runs', () => stage.target.to('/long').length === 1)
  const hanging = await stage.startReplica()
  const made = await stage.call('POST', `${hanging.url}/v1/jobs`, { target: stage.at('/hangs?wait=hold'), timeout_seconds: 600 })
  await eventually('it runs there', async () => stage.target.to('/hangs').length === 1 && metric(await hanging.metrics(), 'bramble_scheduler_running') === 1)
  hanging.signal('SIGSTOP')
  await eventually('another replica has it', () => stage.target.to('/hangs').length === 2)
  hanging.signal('SIGCONT')
  await eventually('it has ended its call', () => stage.target.to('/hangs')[0]?.isCut === true)
  await eventually('and was refused', async () => metric(await hanging.metrics(), 'bramble_scheduler_stale_results_total') === 1)
  assert.equal((await stage.runs(String(made.body['id'])))[0]?.['state'], 'running')
  stage.target.release()
  const run = await stage.run(String(made.body['id']), 'succeeded')
  const [first, second, ...more] = stage.target.to('/hangs')
  assert.equal(more.length, 0)
  assert.ok((second?.fence ?? 0) > (first?.fence ?? Infinity))
  assert.equal(run['fence'], second?.fence)
  await stage.run(long, 'succeeded')
  assert.equal(stage.target.to('/long').length, 1)
  await hanging[Symbol.asyncDispose]()
})

test('a replica that is killed in the middle gives its run back, and one that is stopped at once', async () => {
  const stage = await on()
  const mortal = await stage.startReplica()
  const made = await stage.call('POST', `${mortal.url}/v1/jobs`, { target: stage.at('/killed?wait=800') })
  await eventually('it runs there', () => stage.target.to('/killed').length === 1)
  mortal.signal('SIGKILL')
  const run = await stage.run(String(made.body['id']), 'succeeded')
  const [first, second, ...more] = stage.target.to('/killed')
  assert.equal(more.length, 0)
  assert.ok(first?.isCut === true && (second?.beganMs ?? 0) >= (first.endedMs ?? Infinity))
  // What a replica could not help is nobody's failure.
  assert.equal(run['attempts'], 1)

  const ending = await stage.startReplica()
  const other = await stage.call('POST', `${ending.url}/v1/jobs`, { target: stage.at('/ending?wait=4000') })
  await eventually('it runs there', () => stage.target.to('/ending').length === 1)
  ending.signal('SIGTERM')
  assert.equal((await ending.exit).code, 0)
  const [back] = await stage.rows(`SELECT state, log FROM runs WHERE job_id = '${String(other.body['id'])}'`)
  assert.equal(recordIn(JSON.parse(String(back?.[1]))[0])['event'], 'returned')
  await stage.call('POST', `/v1/jobs/${String(other.body['id'])}/cancel`)
})

test('a replica that cannot renew its lease hangs up before others may begin', async () => {
  const stage = await on()
  const id = await stage.job({ target: stage.at('/cut-off?wait=6000'), timeout_seconds: 600 })
  await eventually('it runs', () => stage.target.to('/cut-off').length === 1)
  stage.stopData()
  await eventually('it was ended', () => stage.target.to('/cut-off')[0]?.isCut === true)
  stage.continueData()
  await eventually('it begins again', () => stage.target.to('/cut-off').length === 2)
  const [first, second] = stage.target.to('/cut-off')
  assert.ok((second?.beganMs ?? 0) >= (first?.endedMs ?? Infinity) && (second?.fence ?? 0) > (first?.fence ?? Infinity))
  await stage.call('POST', `/v1/jobs/${id}/cancel`)
  await stage.run(id, 'cancelled')
})

test('a replica that has nothing to do writes nothing', async () => {
  const stage = await on()
  const before = await stage.first.metrics()
  await eventually('it has looked', async () => metric(await stage.first.metrics(), 'bramble_scheduler_looks_total') > metric(before, 'bramble_scheduler_looks_total') + 1)
  assert.equal(metric(await stage.first.metrics(), 'bramble_scheduler_transactions_total'), metric(before, 'bramble_scheduler_transactions_total'))
})

end()
