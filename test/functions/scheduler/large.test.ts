/** More at once than one answer, or one transaction, of the data service holds. */
import * as assert from 'node:assert/strict'
import { eventually, test } from '../../kit.ts'
import { listIn, recordIn, stageForFile } from './stage.ts'

const { on, end } = stageForFile({ lease: '60s', max_running: '200' })
/** 10 MB of payloads; and with six statements each, more ends than a transaction holds. */
const JOBS = 170
const PAYLOAD = 'z'.repeat(60_000)

test('many large jobs are listed, called and ended, each once', async () => {
  const stage = await on()
  await stage.call('PUT', '/v1/queues/large', { paused: true, concurrency: JOBS })
  const body = { queue: 'large', target: stage.at('/large?wait=hold'), timeout_seconds: 600, payload: PAYLOAD, on_complete: stage.at('/told') }
  const ids: string[] = []
  while (ids.length < JOBS) ids.push(...await Promise.all(Array.from({ length: 10 }, () => stage.job(body))))
  const listed: unknown[] = []
  let cursor = ''
  do {
    const page = await stage.call('GET', `/v1/jobs?limit=200${cursor && `&cursor=${cursor}`}`)
    assert.equal(page.status, 200, page.text)
    listed.push(...listIn(page.body['items']).map((one) => recordIn(one)['id']))
    cursor = String(page.body['next_cursor'] ?? '')
  } while (cursor !== '')
  assert.deepEqual(listed, ids.sort())
  await stage.call('PUT', '/v1/queues/large', { paused: false })
  await eventually('all are called', () => stage.target.to('/large').length === JOBS)
  // So that they end at once: while data does not answer, ends gather.
  stage.stopData()
  stage.target.release()
  await eventually('all have answered', () => stage.target.to('/large').every(({ endedMs }) => endedMs !== undefined))
  stage.continueData()
  await eventually('all have ended', async () => Number((await stage.rows("SELECT COUNT(*) FROM runs WHERE kind = 'call' AND state = 'succeeded'"))[0]?.[0]) === JOBS)
  await eventually('all are told of', () => stage.target.to('/told').length === JOBS)
  assert.deepEqual(stage.target.to('/large').map(({ job }) => job).sort(), ids)
})

end()
