/** Files far larger than the service's memory may be: they pass through it. */
import * as assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { memoryOf } from '../../bench/measure.ts'
import { test } from '../../kit.ts'
import { stageForFile, type Stage } from './stage.ts'

const MEBIBYTE = 2 ** 20
const FILE_BYTES = 200 * MEBIBYTE
/** Beside what it has when idle: a third of the file, and three times what it takes. */
const MAX_MORE_BYTES = 64 * MEBIBYTE
const WATCH_MS = 10
const CHUNK = Buffer.alloc(MEBIBYTE, 'no photograph is so large ')

const stage = stageForFile()

test('a file of 200 MB is stored, read and uploaded in one call, and the process never holds it', async () => {
  const on = await stage.on()
  const token = await on.tokenOf('ada')
  const tus = { 'tus-resumable': '1.0.0' }
  // What it has when idle, with all that a first call loads.
  await on.call('PUT', '/v1/files/small.bin', { bytes: CHUNK })
  await on.call('GET', '/v1/files/small.bin')
  const idleBytes = memoryOf(on.pid()).anonBytes
  const made = await on.call('POST', '/v1/uploads', { headers: { ...tus, 'upload-length': String(FILE_BYTES), 'upload-metadata': `path ${Buffer.from('up.bin').toString('base64')}` } })
  const hash = hashOfAll()
  const calls: readonly (readonly [string, () => Promise<unknown>])[] = [
    ['stored', async () => {
      const put = await send(on, 'PUT', '/v1/files/large.bin', { authorization: `Bearer ${token}` })
      assert.deepEqual([put.statusCode, put.headers.etag], [201, `"${hash}"`])
    }],
    ['read', async () => {
      const sent = request(`${on.url()}/v1/files/large.bin`, { headers: { authorization: `Bearer ${token}` } }).end()
      const [response]: IncomingMessage[] = await once(sent, 'response')
      const read = createHash('sha256')
      for await (const chunk of response ?? []) read.update(chunk)
      assert.equal(read.digest('hex'), hash)
    }],
    ['uploaded', async () => {
      const patched = await send(on, 'PATCH', `/v1/${made.headers.get('location')}`,
        { authorization: `Bearer ${token}`, ...tus, 'upload-offset': '0', 'content-type': 'application/offset+octet-stream' })
      assert.deepEqual([patched.statusCode, patched.headers['upload-offset']], [204, String(FILE_BYTES)])
    }],
  ]
  for (const [what, call] of calls) {
    const mostBytes = await mostDuring(on.pid(), call)
    assert.ok(mostBytes - idleBytes < MAX_MORE_BYTES, `${Math.round(mostBytes / 1e6)} MB while it was ${what}, and ${Math.round(idleBytes / 1e6)} MB before`)
  }
})

/** Private memory of a process, the most that was seen. */
async function mostDuring(pid: number, work: () => Promise<unknown>): Promise<number> {
  let mostBytes = 0
  const watch = setInterval(() => { mostBytes = Math.max(mostBytes, memoryOf(pid).anonBytes) }, WATCH_MS)
  try {
    await work()
  } finally {
    clearInterval(watch)
  }
  return mostBytes
}

async function send(on: Stage, method: string, path: string, headers: Readonly<Record<string, string>>): Promise<IncomingMessage> {
  const sent = request(on.url() + path, { method, headers: { ...headers, 'content-length': String(FILE_BYTES) } })
  const answered = once(sent, 'response')
  await pipeline(chunks, sent)
  const [response]: IncomingMessage[] = await answered
  if (response === undefined) throw new Error('no answer')
  await response.toArray()
  return response
}

function* chunks(): Generator<Buffer> {
  for (let sentBytes = 0; sentBytes < FILE_BYTES; sentBytes += CHUNK.length) yield CHUNK
}

function hashOfAll(): string {
  const sha256 = createHash('sha256')
  for (const chunk of chunks()) sha256.update(chunk)
  return sha256.digest('hex')
}

stage.end()
