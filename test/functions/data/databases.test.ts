/** Databases as a whole: made, listed, downloaded, put back, removed; tokens and what they may do. */
import * as assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { Agent, request, type ClientRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { eventually, test } from '../../kit.ts'
import { type DataFunction, type Reply, SERVICE_TOKEN, startData } from './data-function.ts'

const FILE_TYPE = { 'content-type': 'application/vnd.sqlite3' }

let shared: Promise<DataFunction> | undefined
const data = (): Promise<DataFunction> => shared ??= startData({ max_database_size: '1Mi' })
let count = 0

async function database() {
  const name = `d${++count}`
  const { call } = await data()
  assert.equal((await call('PUT', `/v1/db/${name}`)).status, 201)
  return {
    name, at: `/v1/db/${name}`,
    execute: (...statements: readonly string[]) => call('POST', `/v1/db/${name}/execute`, { statements: statements.map((sql) => ({ sql })) }),
    query: (sql: string) => call('POST', `/v1/db/${name}/query`, { sql }),
  }
}

function rowsOf({ body }: Reply): unknown {
  return JSON.parse(JSON.stringify(body))['results']?.at(-1)?.rows
}

test('databases are made once, listed in pages, and removed with If-Match', async () => {
  const { call } = await data()
  const names = ['alpha', 'beta', 'gamma']
  for (const name of names) {
    assert.equal((await call('PUT', `/v1/db/${name}`)).status, 201)
    assert.equal((await call('PUT', `/v1/db/${name}`)).status, 200)
    const only = await call('PUT', `/v1/db/${name}`, undefined, { headers: { 'if-none-match': '*' } })
    assert.deepEqual([only.status, only.body['code']], [412, 'precondition_failed'])
  }
  const listed: string[] = []
  for (let cursor = ''; ;) {
    const { status, body } = await call('GET', `/v1/db?limit=2${cursor}`)
    assert.equal(status, 200)
    const page: { items: { name: string }[]; next_cursor?: string } = JSON.parse(JSON.stringify(body))
    assert.ok(page.items.length <= 2)
    listed.push(...page.items.map(({ name }) => name))
    if (page.next_cursor === undefined) break
    cursor = `&cursor=${page.next_cursor}`
  }
  assert.deepEqual(listed.filter((name) => names.includes(name)), names)
  const badCursor = await call('GET', '/v1/db?cursor=bm9uc2Vuc2U')
  assert.deepEqual([badCursor.status, JSON.parse(JSON.stringify(badCursor.body)).errors[0].path], [422, '/cursor'])

  const etag = (await call('GET', '/v1/db/beta')).headers.get('etag') ?? ''
  await call('POST', '/v1/db/beta/execute', { statements: [{ sql: 'CREATE TABLE t (n)' }] })
  const stale = await call('DELETE', '/v1/db/beta', undefined, { headers: { 'if-match': etag } })
  assert.deepEqual([stale.status, stale.body['code']], [412, 'precondition_failed'])
  const fresh = { 'if-match': (await call('GET', '/v1/db/beta')).headers.get('etag') ?? '' }
  assert.equal((await call('DELETE', '/v1/db/beta', undefined, { headers: fresh })).status, 204)
  assert.equal((await call('DELETE', '/v1/db/beta')).status, 404)
  assert.equal((await call('GET', '/v1/db/beta')).status, 404)
})

test('a name that is none is refused before anything is touched', async () => {
  const { call } = await data()
  for (const name of ['_service', 'Upper', '1st', 'a.b', 'a%2Fb', 'a'.repeat(64), 'a%00']) {
    assert.equal((await call('PUT', `/v1/db/${name}`)).status, 400, name)
  }
})

test('a backup is an SQLite file, is not sent twice, and can be put back', async () => {
  await using folder = { path: await mkdtemp(join(tmpdir(), 'bramble-')), async [Symbol.asyncDispose]() { await rm(this.path, { recursive: true }) } }
  const { send } = await data()
  const one = await database()
  await one.execute('CREATE TABLE t (n, b)', "INSERT INTO t VALUES (9223372036854775807, x'00ff')", "INSERT INTO t VALUES ('two', NULL)")
  const response = await send('GET', `${one.at}/backup`)
  assert.equal(response.status, 200)
  assert.equal(response.headers.get('content-type'), 'application/vnd.sqlite3')
  const bytes = await response.bytes()
  assert.equal(Number(response.headers.get('content-length')), bytes.length)
  const etag = response.headers.get('etag') ?? ''
  assert.equal((await send('GET', `${one.at}/backup`, undefined, { headers: { 'if-none-match': etag } })).status, 304)

  const file = join(folder.path, 'copy.sqlite3')
  await writeFile(file, bytes)
  const copy = new DatabaseSync(file, { readBigInts: true })
  assert.deepEqual(copy.prepare('SELECT n, hex(b) AS h FROM t').all().map((row) => ({ ...row })), [{ n: 9223372036854775807n, h: '00FF' }, { n: 'two', h: '' }])
  copy.exec("INSERT INTO t VALUES ('three', 3)")
  copy.close()

  await one.execute('DELETE FROM t')
  assert.equal((await send('PUT', `${one.at}/restore`, bytes, { headers: FILE_TYPE })).status, 200)
  assert.deepEqual(rowsOf(await one.query('SELECT count(*) FROM t')), [[2]])
  const two = await database()
  assert.equal((await send('PUT', `${two.at}/restore`, bytes, { headers: FILE_TYPE })).status, 200)
  assert.deepEqual(rowsOf(await two.query('SELECT count(*) FROM t')), [[2]])
  assert.equal((await two.execute('INSERT INTO t VALUES (1, 2)')).status, 200)
})

test('what is no database, or too large, is not put in the place of one', async () => {
  const { send } = await data()
  const one = await database()
  await one.execute('CREATE TABLE t (n)')
  const put = (bytes: Uint8Array, headers: Record<string, string> = FILE_TYPE) => send('PUT', `${one.at}/restore`, bytes, { headers })
  assert.equal((await put(Buffer.from('not a database'))).status, 422)
  assert.equal((await put(Buffer.alloc(0))).status, 422, 'a download that failed')
  assert.equal((await put(Buffer.alloc(2 ** 20 + 1))).status, 413)
  // One connection, as the gateway keeps it: what was left of the file is not in the way of the next call.
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const { hostname, port } = new URL((await data()).running().url)
  const ask = (method: string, path: string, body?: Buffer, type = 'application/json') => new Promise<number | undefined>((resolve, reject) => {
    const headers = { authorization: `Bearer ${SERVICE_TOKEN}`, 'content-type': type, ...body && { 'content-length': body.length } }
    request({ agent, hostname, port, method, path, headers, timeout: 20_000 }, (answer) => {
      answer.resume().on('end', () => resolve(answer.statusCode))
    }).on('timeout', function (this: ClientRequest) { this.destroy(new Error('no answer')) }).on('error', reject).end(body)
  })
  assert.equal(await ask('PUT', `${one.at}/restore`, Buffer.alloc(2 ** 21), 'application/vnd.sqlite3'), 413)
  assert.equal(await ask('GET', one.at), 200)
  agent.destroy()
  assert.equal((await put(Buffer.alloc(10), { 'content-type': 'application/octet-stream' })).status, 415)
  assert.equal((await one.query('SELECT * FROM t')).status, 200)
})

test('an earlier state comes back by number and by time, and that can be undone', async () => {
  const { call } = await data()
  const one = await database()
  await one.execute('CREATE TABLE t (n)')
  const before = (await one.execute('INSERT INTO t VALUES (1)')).body['record']
  const time = await eventually('a later moment', async () => {
    const now = Date.now()
    await new Promise((resolve) => setTimeout(resolve, 5))
    return Date.now() > now + 1 && new Date(now + 1).toISOString()
  })
  const after = (await one.execute('INSERT INTO t VALUES (2)')).body['record']
  const counted = async () => rowsOf(await one.query('SELECT count(*) FROM t'))
  assert.equal((await call('POST', `${one.at}/restore-to`, { record: before })).status, 200)
  assert.deepEqual(await counted(), [[1]])
  assert.equal((await call('POST', `${one.at}/restore-to`, { record: after })).status, 200)
  assert.deepEqual(await counted(), [[2]])
  assert.equal((await call('POST', `${one.at}/restore-to`, { time })).status, 200)
  assert.deepEqual(await counted(), [[1]])
  assert.equal((await call('POST', `${one.at}/restore-to`, { record: 10 ** 9 })).status, 404)
  assert.equal((await call('POST', `${one.at}/restore-to`, { time: '1500-01-01T00:00:00Z' })).status, 404, 'a wrong year does not empty it')
  assert.equal((await call('POST', `${one.at}/restore-to`, { time: 'yesterday' })).status, 400)
})

test('a database full of data takes no more, and can still be read and emptied', async () => {
  const one = await database()
  await one.execute('CREATE TABLE t (b)')
  let last: Reply | undefined
  for (let i = 0; i < 12 && (last?.status ?? 200) === 200; i++) last = await one.execute('INSERT INTO t VALUES (zeroblob(200000))')
  assert.deepEqual([last?.status, last?.body['code']], [507, 'database_full'])
  assert.equal((await one.query('SELECT count(*) FROM t')).status, 200)
  assert.equal((await one.execute('DELETE FROM t')).status, 200)
  assert.equal((await one.execute('INSERT INTO t VALUES (1)')).status, 200)
})

test('a token may do what it was given, in its databases, until it is revoked', async () => {
  const { call, restart } = await data()
  const mine = await database()
  const other = await database()
  await mine.execute('CREATE TABLE t (n)')
  const make = async (right: string, database: string) => {
    const { status, body } = await call('POST', '/v1/tokens', { label: `${right} ${database}`, grants: [{ database, right }] })
    assert.equal(status, 201)
    return { id: String(body['id']), token: String(body['token']) }
  }
  const reader = await make('read', mine.name)
  const writer = await make('write', mine.name)
  const everywhere = await make('read', '*')
  const asks = async (token: string) => [
    (await call('POST', `${mine.at}/query`, { sql: 'SELECT 1' }, { token })).status,
    (await call('POST', `${mine.at}/execute`, { statements: [{ sql: 'INSERT INTO t VALUES (1)' }] }, { token })).status,
    (await call('PUT', `${mine.at}/migrations`, { migrations: [] }, { token })).status,
    (await call('POST', `${other.at}/query`, { sql: 'SELECT 1' }, { token })).status,
    (await call('POST', '/v1/db/nowhere/query', { sql: 'SELECT 1' }, { token })).status,
    (await call('DELETE', mine.at, undefined, { token })).status,
    (await call('GET', '/v1/tokens', undefined, { token })).status,
    (await call('GET', '/v1/db', undefined, { token })).status,
  ]
  const expected = {
    reader: [200, 403, 403, 403, 403, 403, 403, 403],
    writer: [200, 200, 200, 403, 403, 403, 403, 403],
    everywhere: [200, 403, 403, 200, 404, 403, 403, 403],
  }
  const all = async () => ({ reader: await asks(reader.token), writer: await asks(writer.token), everywhere: await asks(everywhere.token) })
  assert.deepEqual(await all(), expected)
  await restart()
  assert.deepEqual(await all(), expected)

  const listed = await call('GET', '/v1/tokens')
  assert.ok(JSON.stringify(listed.body).includes(reader.id))
  for (const { token } of [reader, writer]) assert.ok(!JSON.stringify(listed.body).includes(token), 'texts are told once')
  assert.equal((await call('DELETE', `/v1/tokens/${reader.id}`)).status, 204)
  assert.equal((await call('DELETE', `/v1/tokens/${reader.id}`)).status, 404)
  assert.deepEqual(await asks(reader.token), Array(8).fill(401))
  await restart()
  assert.deepEqual(await asks(reader.token), Array(8).fill(401))
  assert.deepEqual(await asks(writer.token), expected.writer)
})

test('a token is made once for its key, and not again after it was revoked', async () => {
  const { call, restart } = await data()
  const body = { label: 'by key', grants: [{ database: '*', right: 'read' }] }
  const make = (more = {}) => call('POST', '/v1/tokens', { ...body, ...more }, { headers: { 'idempotency-key': 'token 1'.replace(' ', '-') } })
  const first = await make()
  assert.equal(first.status, 201)
  assert.deepEqual((await make()).body, first.body)
  await restart()
  assert.deepEqual((await make()).body, first.body)
  assert.equal((await make({ label: 'another' })).status, 422)
  assert.equal((await call('DELETE', `/v1/tokens/${String(first.body['id'])}`)).status, 204)
  assert.equal((await make()).status, 409)
  assert.equal((await call('GET', '/v1/db/alpha', undefined, { token: String(first.body['token']) })).status, 401)
})

test('what happens is counted where Prometheus looks', async () => {
  const { running } = await data()
  const one = await database()
  await one.execute('CREATE TABLE t (n)')
  const text = await (await fetch(running().metricsUrl)).text()
  assert.match(text, /^bramble_data_transactions_total [1-9]\d*$/m)
  assert.match(text, /^bramble_data_syncs_total [1-9]\d*$/m)
  assert.match(text, new RegExp(`^bramble_data_size_bytes\\{database="${one.name}"\\} [1-9]\\d*$`, 'm'))
  assert.match(text, /^http_requests_total\{code="200",method="post"\}/m)
  const lines = text.split('\n')
  assert.ok(lines.every((line) => /^(?:# (?:HELP|TYPE) .+|[a-z_]+(?:\{.*\})? [-+.e0-9]+|)$/.test(line)), lines.join('|'))
})

test('without a token nothing answers but health and the description', async () => {
  const { call } = await data()
  const { body } = await call('GET', '/openapi.json', undefined, { token: '' })
  const paths: Record<string, Record<string, unknown>> = JSON.parse(JSON.stringify(body)).paths
  let asked = 0
  for (const [path, methods] of Object.entries(paths)) {
    for (const method of Object.keys(methods)) {
      if (['/healthz', '/openapi.json'].includes(path)) continue
      asked++
      for (const token of ['', 'x', `${SERVICE_TOKEN}x`, SERVICE_TOKEN.slice(1)]) {
        const { status } = await call(method.toUpperCase(), path.replace(/\{\w+\}/, 'alpha'), undefined, { token })
        assert.equal(status, 401, `${method} ${path}`)
      }
    }
  }
  assert.ok(asked > 10)
  assert.equal((await call('GET', '/healthz', undefined, { token: '' })).status, 200)
})

test('databases are bounded in number; log and snapshots are copied to where the setting says, and the age of the copy is told', async () => {
  await using folder = { path: await mkdtemp(join(tmpdir(), 'bramble-copies-')), async [Symbol.asyncDispose]() { await rm(this.path, { recursive: true, force: true }) } }
  await using copied = await startData({ copy_to: folder.path, copy_every: '50ms', max_databases: '1' })
  await copied.call('PUT', '/v1/db/shop')
  const second = await copied.call('PUT', '/v1/db/second')
  assert.deepEqual([second.status, second.body['code']], [507, 'too_many_databases'])
  await copied.call('POST', '/v1/db/shop/execute', { statements: [{ sql: 'CREATE TABLE t (n)' }] })
  await eventually('a copy', async () => (await readdir(join(folder.path, 'shop'), { recursive: true }).catch(() => [])).length > 1)
  await eventually('its age', async () => (await copied.call('GET', '/v1/db/shop')).body['copy_age_seconds'] !== undefined)
  assert.match(await (await fetch(copied.running().metricsUrl)).text(), /^bramble_data_copy_age_seconds\{database="shop"\} \d/m)
})

test('without a volume writes are refused, and the answer says why', async () => {
  await using bare = await startData({ volume_path: '' })
  const { status, body } = await bare.call('PUT', '/v1/db/shop')
  assert.deepEqual([status, body['code']], [503, 'not_durable'])
  assert.match(String(body['detail']), /bramble\/volume/)
  assert.equal((await bare.call('GET', '/v1/db')).status, 200)
  assert.equal((await bare.call('POST', '/v1/tokens', { label: 'x', grants: [{ database: '*', right: 'read' }] })).status, 503)
})

test('a setting that is none stops the service with a sentence for each', async () => {
  await assert.rejects(startData({ max_rows: 'many', history_time: '3 weeks' }), /max_rows=.*"many.*history_time=.*3 weeks/)
})

test('the process of these tests ends', async () => (await data())[Symbol.asyncDispose]())
