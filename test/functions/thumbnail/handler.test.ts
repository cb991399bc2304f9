/** The function as the platform runs it, against a server that speaks for the files service; with the real one: test/e2e/album.test.ts. */
import * as assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { MAX_ORIGINAL_BYTES } from '../../../functions/thumbnail/limits.ts'
import { cases, test } from '../../kit.ts'
import { type RunningFunction, startFunction } from '../../start-function.ts'

const TOKEN = 'service-token-of-a-test-0123'
const message = { file_id: 'fil_1', owner: 'usr_1', path: 'photos/a.jpg', version: 3, content_type: 'image/jpeg', size: 341 }
const MEBIBYTE = Buffer.alloc(2 ** 20)
const image = await readFile(join(import.meta.dirname, '../../fixtures/images/quarters.jpg'))

type World = AsyncDisposable & {
  readonly fn: RunningFunction
  readonly written: Map<string, Buffer>
  call(body: unknown, token?: string): Promise<Response>
}

async function start(files: (request: IncomingMessage, response: ServerResponse) => void): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-thumbnail-'))
  await writeFile(join(folder, 'service-token'), TOKEN)
  const written = new Map<string, Buffer>()
  const server = createServer(async (request, response) => {
    assert.equal(request.headers.authorization, `Bearer ${TOKEN}`)
    if (request.method !== 'PUT') return files(request, response)
    written.set(request.url ?? '', await buffer(request))
    response.writeHead(204).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const fn = await startFunction('thumbnail', { secret_mount_path: folder, files_url: `http://127.0.0.1:${port}` })
  return {
    fn, written,
    call: (body, token = TOKEN) => fetch(fn.url, { method: 'POST', headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    async [Symbol.asyncDispose]() {
      await fn[Symbol.asyncDispose]()
      server.close().closeAllConnections()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

test('a message makes one thumbnail, and the same one when it comes again or at once with others', async () => {
  await using world = await start((_, response) => { response.end(image) })
  for (const answer of await Promise.all(Array.from({ length: 4 }, () => world.call(message)))) {
    assert.deepEqual([answer.status, await answer.json()], [200, { done: 'made', width: 96, height: 64 }])
  }
  assert.deepEqual([...world.written.keys()], ['/v1/by-id/fil_1/3/thumbnail'])
  const first = world.written.get('/v1/by-id/fil_1/3/thumbnail')
  assert.ok(first !== undefined && first.length > 200)
  await world.call(message)
  assert.deepEqual(world.written.get('/v1/by-id/fil_1/3/thumbnail'), first)
})

cases('a call is', [
  { name: 'over when the file is gone', files: 404, status: 200 },
  { name: 'for later when files has no time', files: 429, status: 503 },
  { name: 'for later when files is broken', files: 500, status: 503 },
], async ({ files, status }) => {
  await using world = await start((_, response) => { response.writeHead(files).end('why not') })
  const answer = await world.call(message)
  assert.deepEqual([answer.status, world.written.size], [status, 0], await answer.text())
})

test('a call is for later when files breaks off in the middle of an image', async () => {
  await using world = await start((_, response) => {
    response.writeHead(200, { 'content-length': image.length }).write(image.subarray(0, 100), () => response.destroy())
  })
  assert.equal((await world.call(message)).status, 503)
})

test('an image without an end is read no further than to the limit', async () => {
  let sentBytes = 0
  await using world = await start((_, response) => {
    const more = (error?: Error | null): void => {
      if (error || sentBytes > 4 * MAX_ORIGINAL_BYTES) return void response.end()
      sentBytes += MEBIBYTE.length
      response.write(MEBIBYTE, more)
    }
    more()
  })
  const answer = await world.call(message)
  assert.match(JSON.stringify(await answer.json()), /more than \d+ bytes/)
  assert.ok(sentBytes < 2 * MAX_ORIGINAL_BYTES, `${sentBytes} bytes were read`)
})

test('an image of which no thumbnail can be made is told in the log, and not tried again', async () => {
  await using world = await start((_, response) => { response.end('GIF89a, or so') })
  assert.equal((await world.call(message)).status, 200)
  assert.ok(world.fn.logs().some((line) => line.message === 'no thumbnail' && String(line['reason']).includes('neither')))
})

test('an image that is too large is not read', async () => {
  await using world = await start((_, response) => { response.writeHead(200, { 'content-length': String(2 ** 30) }).flushHeaders() })
  assert.match(await (await world.call(message)).text(), /more than 33554432 bytes/)
})

test('only services call, and only with the id and version of a file', async () => {
  await using world = await start((_, response) => { response.end(image) })
  assert.equal((await world.call(message, 'another token than this')).status, 401)
  for (const wrong of [{}, [], null, 7, { ...message, version: '3' }, { ...message, version: 1.5 }, { ...message, file_id: '../../v1/usage?owner=a' }]) {
    assert.equal((await world.call(wrong)).status, 400, JSON.stringify(wrong))
  }
  assert.equal(world.written.size, 0)
})
