/** A disk that gets full; in earnest where a file system of three megabytes can be mounted. */
import * as assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { eventually, test } from '../../kit.ts'
import { type Stage, startStage } from './stage.ts'

const run = promisify(execFile)
const MEGABYTE = 1_000_000

/** Source: capabilities(7). */
const CAP_SYS_ADMIN = 21n
const [, capabilities = '0'] = /^CapEff:\s*([0-9a-f]+)$/m.exec(await readFile('/proc/self/status', 'utf8').catch(() => '')) ?? []
const mayMount = (BigInt(`0x${capabilities}`) >> CAP_SYS_ADMIN & 1n) === 1n

test('a disk that is nearly full takes nothing, and goes on reading', async () => {
  await using on = await startStage()
  assert.equal((await on.call('PUT', '/v1/files/one.bin', { bytes: 'x' })).status, 201)
  await on.kill()
  await on.start({ min_free: '900Ti' })
  const full = await on.call('PUT', '/v1/files/three.bin', { bytes: 'x' })
  assert.deepEqual([full.status, full.body['code']], [507, 'disk_full'])
  assert.equal((await on.call('GET', '/v1/files/one.bin')).status, 200)
  assert.deepEqual(await readdir(join(on.folder, 'volume/files/parts')), [])
})

if (mayMount) {
  test('what does not fit on the disk is refused, leaves nothing behind, and all else stays readable', async () => {
    await using disk = await mountSmallDisk(3 * MEGABYTE)
    await using on = await startStage({ data_folder: join(disk.folder, 'files'), min_free: '1' })
    const kept = randomBytes(2 * MEGABYTE)
    assert.equal((await on.call('PUT', '/v1/files/kept.bin', { bytes: kept })).status, 201)
    assert.deepEqual(await sendUnannounced(on, 'PUT', '/v1/files/large.bin', randomBytes(2 * MEGABYTE)), [507, 'disk_full'])
    assert.deepEqual(await readdir(join(disk.folder, 'files/parts')), [])
    assert.ok((await on.call('GET', '/v1/files/kept.bin')).bytes.equals(kept))
    assert.equal((await on.call('GET', '/v1/files/large.bin')).status, 404)
    assert.equal((await on.call('PUT', '/v1/files/small.bin', { bytes: randomBytes(MEGABYTE / 2) })).status, 201)
  })

  test('an upload in parts that does not fit goes on where it was when there is room', async () => {
    await using disk = await mountSmallDisk(3 * MEGABYTE)
    await using on = await startStage({ data_folder: join(disk.folder, 'files'), min_free: '1', trash_time: '1ms', orphan_time: '1ms' })
    const [inTheWay, wanted] = [randomBytes(2 * MEGABYTE), randomBytes(1.5 * MEGABYTE)]
    const tus = { 'tus-resumable': '1.0.0', 'content-type': 'application/offset+octet-stream' }
    const made = await on.call('POST', '/v1/uploads', {
      headers: { ...tus, 'upload-length': String(wanted.length), 'upload-metadata': `path ${Buffer.from('late.bin').toString('base64')}` },
      bytes: wanted.subarray(0, MEGABYTE / 2),
    })
    assert.equal(made.status, 201)
    // There was room for it when it was announced.
    assert.equal((await on.call('PUT', '/v1/files/way.bin', { bytes: inTheWay })).status, 201)
    const at = `/v1/${made.headers.get('location')}`
    const rest = wanted.subarray(MEGABYTE / 2)
    const headers = { ...tus, 'upload-offset': String(MEGABYTE / 2) }
    assert.deepEqual(await sendUnannounced(on, 'PATCH', at, rest, headers), [507, 'disk_full'])
    assert.equal((await on.call('HEAD', at, { headers: tus })).headers.get('upload-offset'), headers['upload-offset'])
    await on.call('DELETE', '/v1/files/way.bin')
    await eventually('its bytes are gone', async () => {
      await on.call('POST', '/v1/upkeep', { token: on.serviceToken })
      return (await on.call('PATCH', at, { headers, bytes: rest })).status === 204
    })
    assert.ok((await on.call('GET', '/v1/files/late.bin')).bytes.equals(wanted))
  })
}

/** Without a length, nobody can tell before that it is too much: the disk itself says it. */
async function sendUnannounced(on: Stage, method: string, path: string, bytes: Uint8Array, headers: Readonly<Record<string, string>> = {}) {
  const response = await fetch(on.url() + path, {
    method, duplex: 'half', headers: { ...headers, authorization: `Bearer ${await on.tokenOf('ada')}` }, body: ReadableStream.from([bytes]),
  })
  return [response.status, JSON.parse(await response.text()).code]
}

async function mountSmallDisk(sizeBytes: number) {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-full-'))
  await run('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'tmpfs', folder])
  return {
    folder,
    async [Symbol.asyncDispose]() {
      await run('umount', [folder])
      await rm(folder, { recursive: true })
    },
  }
}
