/** What a job does, and when: one scheduler, its data service, and a target that remembers. */
import * as assert from 'node:assert/strict'
import { cases, eventually, test } from '../../kit.ts'
import { listIn, recordIn, stageForFile, type Stage } from './stage.ts'

const JOBS = 150
const { on, end } = stageForFile({ lease: '60s', allowed_functions: 'target,album', token_functions: 'album' })

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

cases('a failed attempt is', [
  { name: 'tried again after 503', path: '/busy?statuses=503,200', state: 'succeeded', calls: 2 },
  { name: 'tried again after 429, when its Retry-After says', path: '/limited?statuses=429,200&after=1', state: 'succeeded', calls: 2, leastMs: 1000 },
  { name: 'tried as often as the job says', path: '/broken?status=500', state: 'dead', calls: 3 },
  { name: 'not tried again after 400', path: '/bad?status=400', state: 'dead', calls: 1 },
  { name: 'not tried again after a redirect, which is not followed', path: '/moved?status=302&to=/secret', state: 'dead', calls: 1 },
], async ({ path, state, calls, leastMs = 0 }) => {
  const stage = await on()
  const id = await stage.job({ target: stage.at(path), retry: { attempts: 3, first_wait_seconds: 0.05 } })
  const run = await stage.run(id, state)
  const made = stage.target.to(path.replace(/\?.*/, ''))
  assert.equal(made.length, calls)
  assert.equal(run['attempts'], calls)
  assert.equal(listIn(run['log']).length, calls)
  assert.ok((made.at(-1)?.beganMs ?? 0) - (made[0]?.beganMs ?? 0) >= leastMs)
  // A number of its own for each attempt, and each greater than the one before.
  assert.ok(made.every(({ fence }, i) => i === 0 || fence > (made[i - 1]?.fence ?? Infinity)))
  assert.equal(stage.target.to('/secret').length, 0)
})

test('a target that does not answer in time is hung up on', async () => {
  const stage = await on()
  const id = await stage.job({ target: stage.at('/slow?wait=30000'), timeout_seconds: 1, retry: { attempts: 1 } })
  const run = await stage.run(id, 'dead')
  assert.equal(run['error'], 'no answer within 1000 ms')
  await eventually('it was cut', () => stage.target.to('/slow')[0]?.isCut === true)
})

test('what a queue may do at once, and in which order, is its priority and concurrency', async () => {
  const stage = await on()
  await stage.call('PUT', '/v1/queues/narrow', { concurrency: 1, paused: true })
  for (const [name, priority] of [['low', 1], ['first', 9], ['middle', 5], ['second', 9]] as const) {
    await stage.job({ name, queue: 'narrow', priority, target: stage.at(`/narrow/${name}?wait=50`) })
  }
  await stage.call('PUT', '/v1/queues/narrow', { paused: false })
  const made = await eventually('all four', () => {
    const calls = stage.target.calls.filter(({ path, endedMs }) => path.startsWith('/narrow/') && endedMs !== undefined)
    return calls.length === 4 && calls
  })
  assert.deepEqual(made.map(({ path }) => path.slice('/narrow/'.length)), ['first', 'second', 'middle', 'low'])
  for (const [i, { beganMs }] of made.entries()) assert.ok(i === 0 || beganMs >= (made[i - 1]?.endedMs ?? Infinity))
})

test('a queue with a rate begins no more than that', async () => {
  const stage = await on()
  await stage.call('PUT', '/v1/queues/steady', { rate: { count: 4, period_seconds: 1 } })
  for (let i = 0; i < 6; i++) await stage.job({ queue: 'steady', target: stage.at('/steady') })
  const made = await eventually('all six', () => stage.target.to('/steady').length === 6 && stage.target.to('/steady'))
  const first = made[0]?.beganMs ?? 0
  // Four at once, then one every quarter of a second: never before its moment.
  for (const [i, { beganMs }] of made.entries()) assert.ok(beganMs - first >= (i - 3) * 250 - 100, `call ${i} after ${beganMs - first} ms`)
})

test('an unfinished job keeps its unique key to itself', async () => {
  const stage = await on()
  const body = { queue: 'keys', unique_key: 'report-7', target: stage.at('/keys?wait=hold'), delay_seconds: 60 }
  const id = await stage.job(body)
  const again = await stage.call('POST', '/v1/jobs', body)
  assert.deepEqual([again.status, again.body['id']], [200, id])
  assert.notEqual(await stage.job({ ...body, queue: 'other-keys' }), id)
  await stage.call('POST', `/v1/jobs/${id}/cancel`)
  assert.notEqual(await stage.job(body), id)
})

test('a call that is sent again with its key makes one job', async () => {
  const stage = await on()
  const body = { target: stage.at('/once') }
  const headers = { 'idempotency-key': 'once-1' }
  const replies = await Promise.all([1, 2, 3].map(() => stage.call('POST', '/v1/jobs', body, headers)))
  const last = await stage.call('POST', '/v1/jobs', body, headers)
  assert.ok(replies.every(({ status }) => status === 201 || status === 409))
  assert.deepEqual([last.status, last.headers.get('idempotency-replayed')], [201, 'true'])
  await stage.run(String(last.body['id']), 'succeeded')
  assert.equal((await stage.call('POST', '/v1/jobs', { target: stage.at('/else') }, headers)).status, 422)
  assert.equal(stage.target.to('/once').length, 1)
  const key = { 'idempotency-key': 'run-once' }
  const [one, other] = [await stage.call('POST', `/v1/jobs/${String(last.body['id'])}/run`, undefined, key), await stage.call('POST', `/v1/jobs/${String(last.body['id'])}/run`, undefined, key)]
  assert.deepEqual([one.status, other.status, other.body['id']], [202, 202, one.body['id']])
})

test('a paused job begins nothing until it is resumed', async () => {
  const stage = await on()
  const id = await stage.job({ target: stage.at('/paused'), delay_seconds: 0.3 })
  assert.equal((await stage.call('POST', `/v1/jobs/${id}/pause`)).body['state'], 'paused')
  const other = await stage.job({ target: stage.at('/not-paused'), delay_seconds: 0.5 })
  await stage.run(other, 'succeeded')
  assert.equal(stage.target.to('/paused').length, 0)
  assert.equal((await stage.call('POST', `/v1/jobs/${id}/run`)).status, 409)
  assert.equal((await stage.call('POST', `/v1/jobs/${id}/resume`)).body['state'], 'active')
  await stage.run(id, 'succeeded')
  assert.equal((await stage.call('POST', `/v1/jobs/${id}/pause`)).status, 409)
})

test('a cancelled job does not begin, and one that runs is hung up on', async () => {
  const stage = await on()
  const waiting = await stage.job({ target: stage.at('/cancelled'), delay_seconds: 0.5 })
  assert.equal((await stage.call('POST', `/v1/jobs/${waiting}/cancel`)).body['state'], 'cancelled')
  const running = await stage.job({ target: stage.at('/endless?wait=60000'), timeout_seconds: 600 })
  await eventually('it runs', () => stage.target.to('/endless').length === 1)
  const [run] = await stage.runs(running)
  assert.equal((await stage.call('DELETE', `/v1/jobs/${running}`)).status, 409)
  await stage.call('POST', `/v1/runs/${String(run?.['id'])}/cancel`)
  await stage.run(running, 'cancelled')
  assert.equal(stage.target.to('/endless')[0]?.isCut, true)
  assert.equal((await stage.call('GET', `/v1/jobs/${running}`)).body['state'], 'cancelled')
  assert.equal((await stage.call('DELETE', `/v1/jobs/${running}`)).status, 204)
  assert.equal((await stage.call('GET', `/v1/jobs/${running}`)).status, 404)
  assert.equal(stage.target.to('/cancelled').length, 0)
})

test('a job that waits for its time runs now when it is told to, once', async () => {
  const stage = await on()
  const id = await stage.job({ target: stage.at('/early'), delay_seconds: 3600 })
  assert.equal((await stage.call('POST', `/v1/jobs/${id}/run`)).status, 202)
  await stage.run(id, 'succeeded')
  assert.equal((await stage.runs(id)).length, 1)
  assert.equal((await stage.call('POST', `/v1/jobs/${id}/run`)).status, 202)
  await eventually('a second run', async () => (await stage.runs(id)).filter(({ state }) => state === 'succeeded').length === 2)
})

test('a dead letter is found, tried again, and thrown away', async () => {
  const stage = await on()
  const id = await stage.job({ queue: 'letters', target: stage.at('/letter?statuses=500,200'), retry: { attempts: 1 } })
  const lost = await stage.job({ queue: 'letters', target: stage.at('/lost?status=404') })
  const run = await stage.run(id, 'dead')
  await stage.run(lost, 'dead')
  assert.equal((await stage.call('GET', `/v1/jobs/${id}`)).body['state'], 'failed')
  const dead = listIn((await stage.call('GET', '/v1/dead-letters?queue=letters')).body['items']).map(recordIn)
  assert.deepEqual(dead.map((one) => one['job_id']).sort(), [id, lost].sort())
  const first = await stage.call('GET', '/v1/dead-letters?queue=letters&limit=1')
  const second = await stage.call('GET', `/v1/dead-letters?queue=letters&limit=1&cursor=${String(first.body['next_cursor'])}`)
  assert.deepEqual([...listIn(first.body['items']), ...listIn(second.body['items'])], listIn((await stage.call('GET', '/v1/dead-letters?queue=letters')).body['items']))
  assert.equal((await stage.call('POST', `/v1/dead-letters/${String(run['id'])}/redrive`)).status, 200)
  await stage.run(id, 'succeeded')
  assert.equal((await stage.call('GET', `/v1/jobs/${id}`)).body['state'], 'succeeded')
  assert.equal((await stage.call('POST', `/v1/dead-letters/${String(run['id'])}/redrive`)).status, 409)
  assert.deepEqual((await stage.call('POST', '/v1/dead-letters/redrive', { job: lost })).body, { redriven: 1 })
  await eventually('dead again', () => stage.target.to('/lost').length === 2)
  const again = await stage.run(lost, 'dead')
  assert.equal((await stage.call('DELETE', `/v1/dead-letters/${String(again['id'])}`)).status, 204)
  assert.equal((await stage.call('DELETE', `/v1/dead-letters/${String(again['id'])}`)).status, 404)
})

test('what has ended takes its unique key back only where nobody has it', async () => {
  const stage = await on()
  const body = { queue: 'taken-keys', unique_key: 'k', target: stage.at('/taken?status=400') }
  const older = await stage.job(body)
  await stage.run(older, 'dead')
  const newer = await stage.job(body)
  await stage.run(newer, 'dead')
  assert.deepEqual((await stage.call('POST', '/v1/dead-letters/redrive', { queue: 'taken-keys' })).body, { redriven: 1 })
  await eventually('the newer one has run again', () => stage.target.to('/taken').filter(({ job }) => job === newer).length === 2)
  await stage.run(newer, 'dead')
  const third = await stage.job({ ...body, delay_seconds: 3600 })
  assert.deepEqual((await stage.call('POST', '/v1/dead-letters/redrive', { queue: 'taken-keys' })).body, { redriven: 0 })
  const [run] = await stage.runs(newer)
  assert.equal((await stage.call('POST', `/v1/dead-letters/${String(run?.['id'])}/redrive`)).status, 409)
  assert.equal((await stage.call('POST', `/v1/jobs/${newer}/run`)).status, 409)
  await stage.call('POST', `/v1/jobs/${third}/cancel`)
  assert.equal((await stage.call('POST', `/v1/jobs/${newer}/run`)).status, 202)
})

test('nothing answers without the token but health and the description', async () => {
  const stage = await on()
  for (const [method, path] of [['GET', '/v1/jobs'], ['POST', '/v1/jobs'], ['GET', '/v1/queues'], ['GET', '/v1/dead-letters'], ['POST', '/v1/dead-letters/redrive']] as const) {
    assert.equal((await stage.call(method, path, method === 'POST' ? {} : undefined, {}, '')).status, 401)
    assert.equal((await stage.call(method, path, method === 'POST' ? {} : undefined, {}, 'not the token at all')).status, 401)
  }
  assert.equal((await stage.call('GET', '/healthz', undefined, {}, '')).status, 200)
  assert.equal((await stage.call('GET', '/openapi.json', undefined, {}, '')).status, 200)
})

cases('a job is refused with', [
  { name: 'no target', body: { target: undefined }, status: 400 },
  { name: 'two times', body: { at: '2030-01-01T00:00:00Z', delay_seconds: 1 }, status: 422 },
  { name: 'a time whose year has five digits elsewhere', body: { at: '9999-12-31T23:59:59-23:59' }, status: 422, path: '/at' },
  { name: 'a time before years were counted', body: { at: '0000-01-01T00:00:00+23:59' }, status: 422, path: '/at' },
  { name: 'a pattern without sense', body: { cron: { pattern: '61 * * * *' } }, status: 422, path: '/cron/pattern' },
  { name: 'a day that never comes', body: { cron: { pattern: '0 0 30 2 *' } }, status: 422, path: '/cron/pattern' },
  { name: 'a time zone that is none', body: { cron: { pattern: '0 0 * * *', timezone: 'Mars/Olympus' } }, status: 422, path: '/cron/pattern' },
  { name: 'a header of the connection', body: { headers: { Host: 'elsewhere' } }, status: 422, path: '/headers/Host' },
  { name: 'a header of the scheduler', body: { headers: { 'X-Scheduler-Fence': '999999' } }, status: 422, path: '/headers/X-Scheduler-Fence' },
  { name: 'a line break in a header', body: { headers: { a: 'b\r\nc: d' } }, status: 400 },
  { name: 'a path out of its function', body: { target: { function: 'album/../data', path: '/' } }, status: 400 },
  { name: 'a function that allowed_functions does not name', body: { target: { function: 'data', path: '/' } }, status: 422, path: '/target' },
  { name: 'a URL, where none is allowed', body: { target: { url: 'https://example.org/' } }, status: 422, path: '/target' },
  { name: 'a job it depends on that is not there', body: { depends_on: ['nothing'] }, status: 422, path: '/depends_on/0' },
  { name: 'a payload that is too large', body: { payload: 'x'.repeat(70_000) }, status: 422, path: '/payload' },
] satisfies { name: string; body: object; status: number; path?: string }[], async ({ body, status, path }: { body: object; status: number; path?: string }) => {
  const stage = await on()
  const reply = await stage.call('POST', '/v1/jobs', { target: stage.at('/refused'), ...body })
  assert.equal(reply.status, status, reply.text)
  if (path !== undefined) assert.equal(recordIn(listIn(reply.body['errors'])[0])['path'], path)
})

test('a change needs the tag that the job still has, and is there for the next run', async () => {
  const stage = await on()
  const id = await stage.job({ target: stage.at('/before'), delay_seconds: 3600, headers: { authorization: 'Bearer secret' } })
  const read = await stage.call('GET', `/v1/jobs/${id}`)
  assert.deepEqual(read.body['headers'], { authorization: '***' })
  const etag = read.headers.get('etag') ?? ''
  const changed = await stage.call('PATCH', `/v1/jobs/${id}`, { target: stage.at('/after'), name: 'changed' }, { 'if-match': etag })
  assert.deepEqual([changed.status, changed.body['name']], [200, 'changed'])
  assert.equal((await stage.call('PATCH', `/v1/jobs/${id}`, { name: 'again' }, { 'if-match': etag })).status, 412)
  await stage.call('POST', `/v1/jobs/${id}/run`)
  await stage.run(id, 'succeeded')
  assert.deepEqual([stage.target.to('/before').length, stage.target.to('/after').length], [0, 1])
  assert.equal(stage.target.to('/after')[0]?.headers.authorization, 'Bearer secret')
})

test('lists have pages, and filters', async () => {
  const stage = await on()
  const ids: string[] = []
  for (let i = 0; i < 5; i++) ids.push(await stage.job({ queue: 'pages', name: `page ${i}`, target: stage.at('/pages'), delay_seconds: 3600 }))
  const found: unknown[] = []
  let cursor = ''
  do {
    const { body } = await stage.call('GET', `/v1/jobs?queue=pages&limit=2${cursor && `&cursor=${cursor}`}`)
    found.push(...listIn(body['items']).map((one) => recordIn(one)['id']))
    cursor = String(body['next_cursor'] ?? '')
  } while (cursor !== '')
  assert.deepEqual(found, [...ids].sort())
  assert.equal(listIn((await stage.call('GET', '/v1/jobs?queue=pages&name=page%203')).body['items']).length, 1)
  assert.equal(listIn((await stage.call('GET', '/v1/jobs?queue=pages&state=failed')).body['items']).length, 0)
  assert.equal((await stage.call('GET', '/v1/jobs?cursor=rubbish')).status, 422)
  assert.equal((await stage.call('DELETE', '/v1/queues/pages')).status, 409)
})

test('a text with a content type of its own goes as it is', async () => {
  const stage: Stage = await on()
  const id = await stage.job({ target: stage.at('/text'), payload: 'a=1&b=2', headers: { 'Content-Type': 'application/x-www-form-urlencoded' } })
  await stage.run(id, 'succeeded')
  const [call] = stage.target.to('/text')
  assert.deepEqual([call?.body, call?.headers['content-type']], ['a=1&b=2', 'application/x-www-form-urlencoded'])
})

test('only the functions that token_functions names are shown the service token', async () => {
  const stage = await on()
  for (const name of ['album', 'target']) await stage.run(await stage.job({ target: { function: name, path: `/token/${name}` } }), 'succeeded')
  assert.deepEqual(['album', 'target'].map((name) => stage.target.to(`/token/${name}`)[0]?.headers.authorization), [`Bearer ${stage.serviceToken}`, undefined])
})

test('of many jobs on several replicas each is called once', async () => {
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
  await second[Symbol.asyncDispose]()
  await third[Symbol.asyncDispose]()
})

end()
