/** Several replicas on the same jobs: one at a time, whatever becomes of them. */
import * as assert from 'node:assert/strict'
import { eventually, test } from '../../kit.ts'
import { recordIn, type Replica, stageForFile, type Stage } from './stage.ts'
import type { TargetCall } from './target.ts'

const { on, end } = stageForFile({ look_every: '200ms' })

function metric(text: string, name: string): number {
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? NaN)
}

test('a replica that hangs or is killed is taken over from, what it says afterwards is refused, and one that works keeps its long call', async () => {
  const stage = await on()
  const long = await stage.job({ target: stage.at('/long?wait=hold'), timeout_seconds: 600 })
  await eventually('the long one runs', () => stage.target.to('/long').length === 1)
  // One after the other, or one would take what another is to have; then side by side: each waits for a lease to end.
  const checks = [await hang(stage), await kill(stage), await stop(stage)]
  await Promise.all(checks.map((check) => check()))
  assert.equal(stage.target.to('/long').length, 1)
  assert.equal(stage.target.to('/long')[0]?.isCut, false)
  stage.target.release()
  await stage.run(long, 'succeeded')
})

/** A job whose call this replica makes: another one may be quicker. Its call lasts until somebody ends it. */
async function begunOn(stage: Stage, replica: Replica): Promise<{ readonly id: string; readonly calls: () => readonly TargetCall[] }> {
  for (;;) {
    const made = await stage.call('POST', `${replica.url}/v1/jobs`, { queue: 'chosen', target: stage.at('/chosen?wait=hold'), timeout_seconds: 600 })
    const id = String(made.body['id'])
    const calls = (): readonly TargetCall[] => stage.target.to('/chosen').filter(({ job }) => job === id)
    await eventually('it runs', () => calls().length === 1)
    if (metric(await replica.metrics(), 'bramble_scheduler_running') === 1) return { id, calls }
    await stage.call('POST', `/v1/jobs/${id}/cancel`)
  }
}

async function hang(stage: Stage): Promise<() => Promise<void>> {
  const hanging = await stage.startReplica()
  const { id, calls } = await begunOn(stage, hanging)
  hanging.signal('SIGSTOP')
  return async () => {
    await eventually('another replica has it', () => calls().length === 2)
    hanging.signal('SIGCONT')
    await eventually('it has ended its call', () => calls()[0]?.isCut === true)
    await eventually('and was refused', async () => metric(await hanging.metrics(), 'bramble_scheduler_stale_results_total') === 1)
    const [run] = await stage.runs(id)
    const [first, second, ...more] = calls()
    assert.deepEqual([run?.['state'], run?.['fence'], more.length], ['running', second?.fence, 0])
    assert.ok((second?.fence ?? 0) > (first?.fence ?? Infinity))
    await hanging[Symbol.asyncDispose]()
  }
}

async function kill(stage: Stage): Promise<() => Promise<void>> {
  const mortal = await stage.startReplica()
  const { id, calls } = await begunOn(stage, mortal)
  mortal.signal('SIGKILL')
  return async () => {
    await eventually('another replica has it', () => calls().length === 2)
    const [first, second] = calls()
    assert.ok(first?.isCut === true && (second?.beganMs ?? 0) >= (first.endedMs ?? Infinity))
    // What a replica could not help is nobody's failure.
    assert.equal((await stage.runs(id))[0]?.['attempts'], 1)
    // It has not gone to the end of the line.
    assert.deepEqual(await stage.rows(`SELECT next_at = due_at FROM runs WHERE job_id = '${id}'`), [[1]])
  }
}

/** As the platform does it: what cannot be ended in the time there is goes back at once. */
async function stop(stage: Stage): Promise<() => Promise<void>> {
  const ending = await stage.startReplica()
  const { id } = await begunOn(stage, ending)
  ending.signal('SIGTERM')
  return async () => {
    assert.equal((await ending.exit).code, 0)
    const [back] = await stage.rows(`SELECT log FROM runs WHERE job_id = '${id}'`)
    assert.equal(recordIn(JSON.parse(String(back?.[0]))[0])['event'], 'returned')
  }
}

test('a replica that cannot renew its lease hangs up before others may begin', async () => {
  const stage = await on()
  const id = await stage.job({ target: stage.at('/cut-off?wait=60000'), timeout_seconds: 600 })
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
  await eventually('nothing is left', async () => Number((await stage.rows("SELECT COUNT(*) FROM runs WHERE state IN ('queued', 'running')"))[0]?.[0]) === 0)
  const before = await stage.first.metrics()
  await eventually('it has looked', async () => metric(await stage.first.metrics(), 'bramble_scheduler_looks_total') > metric(before, 'bramble_scheduler_looks_total') + 1)
  assert.equal(metric(await stage.first.metrics(), 'bramble_scheduler_transactions_total'), metric(before, 'bramble_scheduler_transactions_total'))
})

end()
