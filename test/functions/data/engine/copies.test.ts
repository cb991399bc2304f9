import * as assert from 'node:assert/strict'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { eventually, test } from '../../../kit.ts'
import { engineWorld, fileOf, rowsOf, type EngineWorld } from './engine-world.ts'

const EVERY_MS = 20
const setUp = { statements: [{ sql: 'CREATE TABLE t (id INTEGER PRIMARY KEY, value)' }] }
const insert = { statements: [{ sql: 'INSERT INTO t (value) VALUES (randomblob(2000))' }] }

/** Until everything that is durable now has been copied. */
async function copied(world: EngineWorld): Promise<void> {
  const atMs = Date.now()
  await eventually('all is copied', () => {
    const age = world.engine().get('db')?.copyAgeSeconds
    return age !== undefined && Date.now() - age * 1000 > atMs
  })
}

/** An engine on a copy, as after the loss of the volume. */
async function openCopy(copy: string): Promise<EngineWorld & { readonly beginnings: number }> {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-copy-'))
  const beginnings = (await readdir(join(copy, 'db'))).sort()
  await cp(join(copy, 'db', beginnings.at(-1) ?? ''), join(folder, 'db'), { recursive: true })
  return Object.assign(await engineWorld({ folder }), { beginnings: beginnings.length })
}

async function scratch(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'bramble-target-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) }
}

test('a copy in a folder is the same database, with its past, and goes on after a restart', async () => {
  await using target = await scratch()
  await using world = await engineWorld({ copies: { to: target.path, everyMs: EVERY_MS }, limits: { snapshotEveryBytes: 40_000, historyMs: 0 } })
  await world.engine().create('db')
  await world.engine().execute('db', setUp)
  for (let round = 0; round < 3; round++) {
    for (let index = 0; index < 25; index++) await world.engine().execute('db', insert)
    await copied(world)
    const file = await fileOf(world.engine(), 'db')
    await using copy = await openCopy(target.path)
    assert.ok((await fileOf(copy.engine(), 'db')).equals(file))
    assert.equal(copy.beginnings, 1)
    await copy.engine().restoreTo('db', { record: (world.engine().get('db')?.record ?? 0) - 5 })
    assert.deepEqual(await rowsOf(copy.engine(), 'db', 'SELECT count(*) FROM t'), [[(round + 1) * 25 - 5]])
    await world.restart()
  }
})

test('an empty volume does not take the place of a good copy', async () => {
  await using target = await scratch()
  const copies = { to: target.path, everyMs: EVERY_MS }
  {
    await using world = await engineWorld({ copies })
    await world.engine().create('db')
    await world.engine().execute('db', { statements: [...setUp.statements, ...insert.statements] })
    await copied(world)
  }
  const [good = ''] = await readdir(join(target.path, 'db'))
  const before = await readdir(join(target.path, 'db', good))
  await using world = await engineWorld({ copies })
  await world.engine().create('db')
  await world.engine().execute('db', setUp)
  await copied(world)
  assert.deepEqual(await readdir(join(target.path, 'db', good)), before)
  assert.equal((await readdir(join(target.path, 'db'))).length, 2)
})

test('a copy over HTTP goes on after failures, whatever was under way', async () => {
  await using target = await scratch()
  let requests = 0
  const wrong: string[] = []
  const server = createServer((request, response) => void (async () => {
    requests++
    const content = await bodyOf(request)
    const key = new URL(request.url ?? '', 'http://target').searchParams.get('key') ?? ''
    if (request.method !== 'PUT' || request.headers.authorization !== 'Bearer copy' || content.length !== Number(request.headers['content-length'])) wrong.push(`${request.method} ${key}`)
    // Each third one is cut off, each third one is refused after it was kept.
    if (requests % 3 === 1) {
      request.socket.destroy()
      return
    }
    await mkdir(dirname(join(target.path, key)), { recursive: true })
    await writeFile(join(target.path, key), content)
    response.writeHead(requests % 3 === 2 ? 503 : 200).end('later')
  })())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  try {
    await using world = await engineWorld({ copies: { to: `http://127.0.0.1:${port}/?key={key}`, everyMs: EVERY_MS, authorization: 'Bearer copy' }, limits: { snapshotEveryBytes: 40_000, historyMs: 0 } })
    await world.engine().create('db')
    await world.engine().execute('db', setUp)
    for (let index = 0; index < 60; index++) await world.engine().execute('db', insert)
    await copied(world)
    const file = await fileOf(world.engine(), 'db')
    await using copy = await openCopy(target.path)
    assert.ok((await fileOf(copy.engine(), 'db')).equals(file))
    assert.ok(world.engine().counts().failedCopies > 0 && requests > 3)
    assert.deepEqual(wrong, [])
  } finally {
    server.close()
    server.closeAllConnections()
  }
})

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  return Buffer.concat(parts)
}
