import * as assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdir, readFile, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { eventually, test } from '../../kit.ts'
import { sha256, type Stage, stageForFile } from './stage.ts'

const stage = stageForFile({ upload_time: '2s', trash_time: '1ms', orphan_time: '1ms', scrub_speed: '100Mi' })

const contentPath = (on: Stage, hash: string): string => join(on.folder, 'volume/files/contents', hash.slice(0, 2), hash)
const contents = async (on: Stage): Promise<string[]> => (await readdir(join(on.folder, 'volume/files/contents'), { recursive: true })).filter((name) => name.length > 2).map((name) => name.slice(3)).sort()
const parts = (on: Stage): Promise<string[]> => readdir(join(on.folder, 'volume/files/parts'))
const tidy = (on: Stage) => on.call('POST', '/v1/upkeep', { token: on.serviceToken })
const scrub = async (on: Stage) => {
  await on.call('POST', '/v1/scrub', { token: on.serviceToken })
  return eventually('all was read', async () => {
    const { body } = await on.call('GET', '/v1/scrub', { token: on.serviceToken })
    return body['running'] === false && body['finished_at'] !== undefined ? body : undefined
  })
}

test('the same bytes are there once, until nobody names them', async () => {
  const on = await stage.on()
  const bytes = randomBytes(1000)
  const hash = sha256(bytes)
  const eve = await on.tokenOf('eve')
  await on.call('PUT', '/v1/files/a.bin', { bytes })
  await on.call('PUT', '/v1/files/b.bin', { bytes })
  await on.call('PUT', '/v1/files/c.bin', { token: eve, bytes })
  assert.deepEqual(await contents(on), [hash])
  for (const path of ['a.bin', 'b.bin']) await on.call('DELETE', `/v1/files/${path}`)
  for (let round = 0; round < 3; round++) await tidy(on)
  assert.deepEqual([await contents(on), (await on.call('GET', '/v1/usage')).body['used_bytes']], [[hash], 0])
  assert.ok((await on.call('GET', '/v1/files/c.bin', { token: eve })).bytes.equals(bytes))
  await on.call('DELETE', '/v1/files/c.bin', { token: eve })
  await eventually('the content is collected', async () => { await tidy(on); return (await contents(on)).length === 0 })
})

test('an upload that is over goes with its bytes', async () => {
  const on = await stage.on()
  const tus = { 'tus-resumable': '1.0.0' }
  const made = await on.call('POST', '/v1/uploads', { headers: { ...tus, 'upload-length': '9', 'upload-metadata': 'path YQ==' } })
  const at = `/v1/${made.headers.get('location')}`
  await on.call('PATCH', at, { bytes: 'abc', headers: { ...tus, 'upload-offset': '0', 'content-type': 'application/offset+octet-stream' } })
  await tidy(on)
  assert.equal((await parts(on)).length, 1)
  await eventually('the upload is over', async () => (await on.call('HEAD', at, { headers: tus })).status === 404)
  await eventually('its bytes are gone', async () => { await tidy(on); return (await parts(on)).length === 0 })
})

test('what a killed process left half is removed, and nothing of it was stored', async () => {
  const on = await stage.on()
  const sending = fetch(`${on.url()}/v1/files/half.bin`, {
    method: 'PUT', headers: { authorization: `Bearer ${await on.tokenOf('ada')}` }, duplex: 'half',
    body: new ReadableStream({ start(controller) { controller.enqueue(randomBytes(2_000_000)) } }),
  }).catch(() => 'cut')
  await eventually('bytes have come', async () => (await parts(on)).length === 1)
  await tidy(on)
  assert.equal((await parts(on)).length, 1)
  await on.kill()
  assert.equal(await sending, 'cut')
  await on.start()
  assert.equal((await on.call('GET', '/v1/files/half.bin')).status, 404)
  await eventually('the part is removed', async () => { await tidy(on); return (await parts(on)).length === 0 })
})

test('a damaged and a missing content are found, and healed by storing the file again', async () => {
  const on = await stage.on()
  const [one, two] = [randomBytes(300_000), randomBytes(1000)]
  await on.call('PUT', '/v1/files/one.bin', { bytes: one })
  await on.call('PUT', '/v1/files/two.bin', { bytes: two })
  const whole = await scrub(on)
  assert.deepEqual([whole['contents'], whole['bytes'], whole['damaged'], whole['missing']], [2, 301_000, [], []])
  const damaged = await readFile(contentPath(on, sha256(one)))
  damaged[200_000] = (damaged[200_000] ?? 0) ^ 1
  await writeFile(contentPath(on, sha256(one)), damaged)
  await unlink(contentPath(on, sha256(two)))
  const found = await scrub(on)
  assert.deepEqual([found['damaged'], found['missing']], [[sha256(one)], [sha256(two)]])
  assert.match(await on.metrics(), /^bramble_files_damaged_contents 2$/m)
  const gone = await on.call('GET', '/v1/files/two.bin')
  assert.deepEqual([gone.status, gone.body['code']], [503, 'content_missing'])
  await on.call('PUT', '/v1/files/one.bin', { bytes: one })
  await on.call('PUT', '/v1/files/two.bin', { bytes: two })
  const healed = await scrub(on)
  assert.deepEqual([healed['damaged'], healed['missing']], [[], []])
})

test('what nobody needs goes by itself, and contents are compared by themselves', async () => {
  const on = await stage.on()
  const bytes = randomBytes(1000)
  await on.kill()
  await on.start({ upkeep_every: '100ms', scrub_every: '1ms' })
  await on.call('PUT', '/v1/files/alone.bin', { bytes })
  await on.call('DELETE', '/v1/files/alone.bin')
  await eventually('the content is collected', async () => !(await contents(on)).includes(sha256(bytes)))
  await eventually('all was read', async () => (await on.call('GET', '/v1/scrub', { token: on.serviceToken })).body['finished_at'] !== undefined)
})

test('only a service may look after contents', async () => {
  const on = await stage.on()
  for (const [method, path] of [['POST', '/v1/scrub'], ['GET', '/v1/scrub'], ['POST', '/v1/upkeep']] as const) {
    assert.equal((await on.call(method, path)).status, 403)
  }
})

test('the service ends as it is told to', async () => {
  const on = await stage.on()
  process.kill(on.pid(), 'SIGTERM')
  await eventually('it said so', () => on.logs().some(({ message }) => message === 'stopped'))
  await on.start()
  // A content that was damaged on purpose is an error in the log.
  assert.ok(on.logs().filter(({ level }) => level === 'error').every(({ message }) => /^a content is (?:damaged|missing)/.test(message)))
  await on[Symbol.asyncDispose]()
})
