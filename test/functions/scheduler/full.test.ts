/** What becomes of jobs when their database gets full. */
import * as assert from 'node:assert/strict'
import { createDataClient } from '@bramble/runtime/service/data-client'
import { isFull } from '../../../functions/scheduler/store/room.ts'
import { migrations } from '../../../functions/scheduler/store/schema.ts'
import { eventually, test } from '../../kit.ts'
import { listIn, recordIn, type Reply, stageForFile } from './stage.ts'

/** Some thirty jobs with large payloads. */
const { on, end } = stageForFile({ look_every: '200ms' }, { max_database_size: '3Mi' })
const PAYLOAD = 'z'.repeat(60_000)
const MANY = 50

test('jobs that wait leave room for what becomes of them, and what is over makes room for new ones', async () => {
  const stage = await on()
  await stage.call('PUT', '/v1/queues/held', { paused: true, concurrency: 20 })
  const body = { queue: 'held', target: stage.at('/held?length=8000'), payload: PAYLOAD }
  const made: string[] = []
  let last: Reply
  while ((last = await stage.call('POST', '/v1/jobs', body)).status === 201) made.push(String(last.body['id']))
  assert.deepEqual([last.status, last.body['code']], [507, 'database_full'])
  assert.ok(made.length > 20, `${made.length} jobs`)
  // Nor can one that is there be made larger.
  assert.equal((await stage.call('PATCH', `/v1/jobs/${made[0] ?? ''}`, { payload: PAYLOAD })).status, 507)
  await stage.call('PUT', '/v1/queues/held', { paused: false })
  for (const id of made) assert.equal(String((await stage.run(id, 'succeeded'))['result']).length, 8000)
  assert.equal((await stage.call('POST', '/v1/jobs', { ...body, queue: 'next' })).status, 201)
})

test('history never stops the scheduler: the oldest of it goes', async () => {
  const stage = await on()
  const letter = await stage.job({ target: stage.at('/letter?status=400') })
  await stage.run(letter, 'dead')
  let first = ''
  for (let i = 0; i < MANY; i++) {
    const id = await stage.job({ target: stage.at('/history'), payload: PAYLOAD })
    first ||= id
    await eventually('it was called', () => stage.target.to('/history').some(({ job }) => job === id))
  }
  const last = String(stage.target.to('/history').at(-1)?.job)
  await stage.run(last, 'succeeded')
  assert.equal((await stage.call('GET', `/v1/jobs/${first}`)).status, 404)
  assert.equal((await stage.run(letter, 'dead'))['status'], 400)
})

test('in a database without any room a run ends without its result, and whoever makes a job is told what is wrong', async () => {
  const stage = await on()
  const id = await stage.job({ target: stage.at('/no-room?wait=hold&length=8000'), timeout_seconds: 600, on_complete: stage.at('/told') })
  await eventually('it runs', () => stage.target.to('/no-room').length === 1)
  await stage.execute('CREATE TABLE filler (content BLOB)')
  const db = createDataClient({ url: stage.dataUrl, database: 'scheduler', token: stage.serviceToken, migrations })
  const fill = async (): Promise<void> => {
    for (const bytes of [60_000, 1000]) {
      await assert.rejects(async () => {
        for (;;) await db.execute([{ sql: `INSERT INTO filler VALUES (zeroblob(${bytes}))` }])
      }, isFull)
    }
  }
  // What is over makes room as long as there is some of it.
  const refused = await eventually('no job is made', async () => {
    await fill()
    const reply = await stage.call('POST', '/v1/jobs', { target: stage.at('/refused') })
    return reply.status !== 201 && reply
  })
  assert.equal(refused.status, 507)
  await fill()
  stage.target.release()
  await stage.run(id, 'succeeded')
  const run = recordIn((await stage.runs(id)).find(({ kind }) => kind === 'call'))
  assert.deepEqual([run['status'], run['result'], run['log']], [200, undefined, []])
  const [told] = await eventually('who wants to know is told', () => stage.target.to('/told').length > 0 && stage.target.to('/told'))
  assert.equal(recordIn(JSON.parse(told?.body ?? '').data)['state'], 'succeeded')
  assert.equal(stage.target.to('/no-room').length, 1)
  await stage.execute('DROP TABLE filler')
  await stage.run(await stage.job({ target: stage.at('/again') }), 'succeeded')
  assert.ok(listIn((await stage.call('GET', '/v1/jobs')).body['items']).length > 0)
})

end()
