/** Resumable uploads with the client that applications use, over lines that break and to a service that is killed. */
import * as assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Upload, type UploadOptions } from 'tus-js-client'
import { eventually, test } from '../../kit.ts'
import { startCuttingProxy } from './cutting-proxy.ts'
import { sha256, stageForFile } from './stage.ts'

const stage = stageForFile()
const MEBIBYTE = 2 ** 20
const RETRIES_MS = [0, 50, 100, 200, 500, 1000, 2000]

async function upload(url: string, bytes: Buffer, path: string, options: UploadOptions = {}): Promise<void> {
  const on = await stage.on()
  const token = await on.tokenOf('ada')
  await new Promise<void>((resolve, reject) => {
    new Upload(bytes, {
      endpoint: `${url}/v1/uploads`, headers: { authorization: `Bearer ${token}` }, metadata: { path }, retryDelays: RETRIES_MS, onError: reject, onSuccess: () => resolve(), ...options,
    }).start()
  })
}

async function hashOf(path: string): Promise<unknown> {
  const on = await stage.on()
  const got = await on.call('GET', `/v1/files/${path}`)
  assert.equal(`"${sha256(got.bytes)}"`, got.headers.get('etag'))
  return sha256(got.bytes)
}

test('a client uploads, in one piece, in many, and in parts side by side', async () => {
  const on = await stage.on()
  const bytes = randomBytes(5 * MEBIBYTE + 7)
  await upload(on.url(), bytes, 'one.bin')
  await upload(on.url(), bytes, 'many.bin', { chunkSize: MEBIBYTE })
  await upload(on.url(), bytes, 'parts.bin', { parallelUploads: 3 })
  await upload(on.url(), bytes, 'with.bin', { uploadDataDuringCreation: true })
  for (const path of ['one.bin', 'many.bin', 'parts.bin', 'with.bin']) assert.equal(await hashOf(path), sha256(bytes), path)
})

test('a line that breaks costs nothing of what has arrived', async () => {
  const on = await stage.on()
  const bytes = randomBytes(6 * MEBIBYTE)
  const parts = join(on.folder, 'volume/files/parts')
  await using line = await startCuttingProxy(Number(new URL(on.url()).port))
  // What lies in the buffers of the network may be lost with the line; what has reached the service is not.
  const arrived = async (wanted: number): Promise<void> => {
    await eventually(`${wanted} bytes have arrived`, async () => {
      const [name] = await readdir(parts)
      return name !== undefined && (await stat(join(parts, name))).size >= wanted
    })
  }
  line.cutAfter(2 * MEBIBYTE, async () => {
    await arrived(1.5 * MEBIBYTE)
    line.cutAfter(3 * MEBIBYTE, () => arrived(4 * MEBIBYTE))
  })
  await upload(line.url, bytes, 'cut.bin')
  assert.equal(await hashOf('cut.bin'), sha256(bytes))
  assert.ok(line.sentBytes() < 8 * MEBIBYTE, `${line.sentBytes()} bytes were sent`)
})

test('a service that is killed goes on where it last told, and every byte is right', async () => {
  const on = await stage.on()
  const bytes = randomBytes(48 * MEBIBYTE)
  await using line = await startCuttingProxy(Number(new URL(on.url()).port))
  line.cutAfter(40 * MEBIBYTE, async () => {
    await eventually('32 MiB are noted', async () => (await on.rows('SELECT received FROM uploads WHERE received >= 33554432 AND file_id IS NULL')).length === 1)
    await on.kill()
    await on.start()
  })
  await upload(line.url, bytes, 'killed.bin')
  assert.equal(await hashOf('killed.bin'), sha256(bytes))
  assert.ok(line.sentBytes() < 60 * MEBIBYTE, `${line.sentBytes()} bytes were sent: ${JSON.stringify(on.logs().filter(({ level }) => level !== 'info'))}`)
})

test('a client that asks for the offset takes the place of a connection that is as good as dead', async () => {
  const on = await stage.on()
  const token = await on.tokenOf('ada')
  // Enough to be written before more comes.
  const first = randomBytes(600_000)
  const headers = { 'tus-resumable': '1.0.0', authorization: `Bearer ${token}` }
  const made = await on.call('POST', '/v1/uploads', { headers: { ...headers, 'upload-length': String(first.length + 3), 'upload-metadata': `path ${Buffer.from('dead.txt').toString('base64')}` } })
  const at = `${on.url()}/v1/${made.headers.get('location')}`
  const patch = { ...headers, 'content-type': 'application/offset+octet-stream', 'upload-offset': '0' }
  const hanging = fetch(at, {
    method: 'PATCH', headers: patch, duplex: 'half',
    body: new ReadableStream({ start(controller) { controller.enqueue(first) } }),
  }).then(({ status }) => `answered ${status}`, () => 'cut')
  const part = join(on.folder, 'volume/files/parts', at.slice(at.lastIndexOf('/') + 1))
  await eventually('bytes are there', () => stat(part).then(({ size }) => size > 0, () => false))
  const head = await fetch(at, { method: 'HEAD', headers })
  assert.equal(head.headers.get('upload-offset'), String(first.length))
  assert.equal(await hanging, 'cut')
  const rest = await fetch(at, { method: 'PATCH', headers: { ...patch, 'upload-offset': String(first.length) }, body: 'def' })
  assert.equal(rest.status, 204)
  assert.equal(await hashOf('dead.txt'), sha256(Buffer.concat([first, Buffer.from('def')])))
})

stage.end()
