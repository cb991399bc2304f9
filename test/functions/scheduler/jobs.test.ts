/** What a job does, and when: one scheduler, its data service, and a target that remembers. */
import * as assert from 'node:assert/strict'
import { eventually, test } from '../../kit.ts'
import { listIn, recordIn, stageForFile } from './stage.ts'

const { on, end } = stageForFile()

test('a job that is run now calls its function once, and its history says so', async () => {
  const stage = await on()
  const id = await stage.job({ target: stage.at('/now?text=hello'), payload: { n: 1 }, headers: { 'x-mine': 'yes' } })
  const run = await stage.run(id, 'succeeded')
  const [call, ...more] = stage.target.to('/now')
  assert.equal(more.length, 0)
  assert.deepEqual([call?.method, call?.body, call?.headers['content-type'], call?.headers['x-mine']], ['POST', '{"n":1}', 'application/json', 'yes'])
  assert.deepEqual([call?.job, call?.run, call?.headers['x-call-id'], call?.headers['idempotency-key']], [id, run['id'], run['id'], run['id']])
  assert.ok((call?.fence ?? 0) > 0 && call?.fence === run['fence'])
  assert.deepEqual([run['result'], run['status'], run['attempts']], ['hello', 200, 1])
  assert.equal(recordIn(listIn(run['log'])[0])['event'], 'succeeded')
  assert.equal((await stage.call('GET', `/v1/jobs/${id}`)).body['state'], 'succeeded')
})

test('a job begins at its time, and not before', async () => {
  const stage = await on()
  const atMs = Date.now() + 700
  const id = await stage.job({ target: stage.at('/later'), at: new Date(atMs).toISOString() })
  await stage.run(id, 'succeeded')
  const delayed = await stage.job({ target: stage.at('/delayed'), delay_seconds: 0.5 })
  const madeMs = performance.now()
  await stage.run(delayed, 'succeeded')
  const [later] = await stage.rows(`SELECT started_at FROM runs WHERE job_id = '${id}'`)
  assert.ok(Number(later?.[0]) >= atMs)
  assert.ok((stage.target.to('/delayed')[0]?.beganMs ?? 0) - madeMs > 300)
  assert.ok(await eventually('both are there', () => stage.target.to('/later').length === 1))
})

end()
