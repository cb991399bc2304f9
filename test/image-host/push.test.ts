import * as assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readImageTree } from '../../platform/image/image-tree.ts'
import { createLayout } from '../../platform/image/layout.ts'
import { pullImage } from '../../platform/image/pull.ts'
import { pushImage, type PushProgress } from '../../platform/image/push.ts'
import { parseReference } from '../../platform/image/reference.ts'
import { cases, test } from '../kit.ts'
import { startCuttingProxy, type Cutter } from './cutting-proxy.ts'
import { startRegistry, storedBlobs } from './registry-server.ts'
import { amd64, arm64, makeSample, openClient } from './sample-image.ts'

const transfers = (requests: readonly string[]): readonly string[] => requests.filter((one) => /^(POST|PATCH|PUT) /.test(one))

test('a registry with TLS and a password receives an image, whole, and gives it back the same', async () => {
  await using server = await startRegistry({ isTls: true, hasPassword: true })
  await using sample = await makeSample()
  await using registry = openClient(server.name, { authFile: server.authFile, ca: await readFile(server.caFile, 'utf8') })
  const reference = parseReference(`${server.name}/team/hello:1.0`)
  const progress: PushProgress[] = []
  const pushed = await pushImage({ ...sample, reference, registry, onProgress: (one) => progress.push(one) })
  assert.equal(pushed.digest, sample.image.digest)
  assert.equal(pushed.reference, `${server.name}/team/hello:1.0`)
  assert.equal(pushed.isChanged, true)
  assert.deepEqual(pushed.sent.map(({ digest }) => digest).toSorted(), [...await storedBlobs(server)].filter((one) => pushed.sent.some(({ digest }) => digest === one)))
  assert.deepEqual(progress.filter(({ state }) => state === 'sent').map(({ blob, sentBytes }) => blob.size === sentBytes), [true, true, true, true, true])

  const copy = createLayout(join(server.folder, 'copy'))
  assert.deepEqual(await pullImage({ registry, reference, platforms: [arm64, amd64], layout: copy }), sample.image)
  for (const blob of (await readImageTree(copy, sample.image)).blobs) {
    for await (const _ of copy.read(blob)) { /* checked while read */ }
  }
})

test('a second push transfers nothing', async () => {
  await using server = await startRegistry()
  await using sample = await makeSample()
  await using registry = openClient(server.name)
  const push = () => pushImage({ ...sample, reference: parseReference(`${server.name}/hello:1`), registry })
  await push()
  const before = transfers(server.requests()).length
  const again = await push()
  assert.deepEqual([again.isChanged, again.sent], [false, []])
  assert.equal(transfers(server.requests()).length, before)
})

test('another tag of the same image is one request more, and no layer', async () => {
  await using server = await startRegistry()
  await using sample = await makeSample()
  await using registry = openClient(server.name)
  await pushImage({ ...sample, reference: parseReference(`${server.name}/hello:1`), registry })
  const before = server.requests().length
  const again = await pushImage({ ...sample, reference: parseReference(`${server.name}/hello:2`), registry })
  assert.deepEqual([again.isChanged, again.sent], [true, []])
  assert.deepEqual(transfers(server.requests().slice(before)), [`PUT /v2/hello/manifests/2 201`])
})

test('a base layer that another repository has is mounted, not sent', async () => {
  await using server = await startRegistry()
  await using first = await makeSample()
  await using second = await makeSample({ layout: first.layout, bases: first.layers.slice(1) })
  await using registry = openClient(server.name)
  await pushImage({ ...first, reference: parseReference(`${server.name}/team/one:1`), registry })
  const states: string[] = []
  const pushed = await pushImage({
    ...second, reference: parseReference(`${server.name}/team/two:1`), registry, mountFrom: ['team/none', 'team/one'],
    onProgress: ({ blob, state }) => { if (blob.kind === 'layer' && state !== 'sending') states.push(`${state} ${blob.size}`) },
  })
  assert.deepEqual(states.toSorted(), ['mounted 300000', 'mounted 300000', 'sent 20000'])
  assert.deepEqual(pushed.sent.filter(({ kind }) => kind === 'layer').map(({ size }) => size), [20_000])
})

test('a spoilt layer is noticed and named, and nothing of it is tagged', async () => {
  await using server = await startRegistry()
  await using sample = await makeSample({ baseBytes: 9_000_000 })
  await using registry = openClient(server.name)
  const [, spoilt] = sample.layers
  const path = join(sample.layout.folder, 'blobs/sha256', spoilt?.digest.slice(7) ?? '')
  const bytes = await readFile(path)
  bytes[8_999_999]! ^= 1
  await writeFile(path, bytes)
  await assert.rejects(pushImage({ ...sample, reference: parseReference(`${server.name}/hello:1`), registry }), (error: Error) => {
    assert.match(error.message, /is spoilt \(its bytes do not match its name\)/)
    assert.ok(error.message.includes(spoilt?.digest.slice(7) ?? 'no layer'))
    return true
  })
  assert.ok(!(await storedBlobs(server)).includes(spoilt?.digest ?? ''))
  assert.ok(!server.requests().some((one) => one.includes('/manifests/') && one.startsWith('PUT')), 'no manifest was sent')
})

/** Cuts the line when the client begins the `nth` chunk of a large layer: the registry has whole chunks only. */
function beforeChunk(nth: number): Cutter {
  let chunks = 0
  return (piece) => piece.includes('PATCH /v2/') && piece.includes('content-length: 4000000') && ++chunks === nth ? 0 : undefined
}
/** Cuts in the middle of a chunk. */
function afterBytes(bytes: number): Cutter {
  let isCut = false
  return (piece, passed) => {
    if (isCut || passed + piece.length < bytes) return undefined
    isCut = true
    return bytes - passed
  }
}

const LARGE = 18_000_000
cases('a push that is cut goes on', [
  // Four chunks of 4 MB and one of 2: the third begins when 8 MB are there, and only the rest is sent.
  { name: 'from where the registry is, between chunks', cutter: beforeChunk(3), mostBytes: LARGE + 1_000_000, wasResumed: true },
  // Debian's docker-registry 2.8 forgets an upload that is cut within a chunk: the layer begins again.
  { name: 'within a chunk', cutter: afterBytes(6_000_000), mostBytes: LARGE + 7_000_000, wasResumed: false },
], async ({ cutter, mostBytes, wasResumed }) => {
  await using server = await startRegistry()
  await using proxy = await startCuttingProxy(server.port, cutter)
  await using sample = await makeSample({ platforms: [arm64], baseBytes: LARGE })
  await using registry = openClient(proxy.name)
  const resumedAt: number[] = []
  const pushed = await pushImage({
    ...sample, reference: parseReference(`${proxy.name}/hello:1`), registry,
    onProgress: ({ state, sentBytes }) => { if (state === 'resumed') resumedAt.push(sentBytes) },
  })
  assert.equal(proxy.cuts(), 1)
  assert.deepEqual(resumedAt, [wasResumed ? 8_000_000 : 0])
  assert.ok(proxy.passedBytes() < mostBytes, `${proxy.passedBytes()} bytes were sent`)
  const asked = server.requests().filter((one) => /^GET \/v2\/hello\/blobs\/uploads\//.test(one))
  assert.deepEqual(asked.map((one) => one.split(' ').at(-1)), [wasResumed ? '204' : '404'])
  assert.equal(pushed.sent.length, 3)
  await using direct = openClient(server.name)
  const copy = createLayout(join(server.folder, 'copy'))
  assert.deepEqual(await pullImage({ registry: direct, reference: parseReference(`${server.name}/hello:1`), platforms: [arm64], layout: copy }), sample.image)
})

test('a push whose line stays cut says so, leaves the old image under the tag, and the next push sends only the rest', async () => {
  await using server = await startRegistry()
  await using old = await makeSample({ platforms: [arm64] })
  await using sample = await makeSample({ platforms: [arm64], baseBytes: LARGE })
  await using direct = openClient(server.name)
  const reference = parseReference(`${server.name}/hello:1`)
  await pushImage({ ...old, reference, registry: direct })

  await using proxy = await startCuttingProxy(server.port, (piece) => piece.length > 1_000 && piece.includes('PATCH /v2/') ? 0 : undefined)
  await using registry = openClient(proxy.name)
  let sentBytes = 0
  const failing = pushImage({
    ...sample, reference: parseReference(`${proxy.name}/hello:1`), registry,
    onProgress: (one) => { sentBytes = Math.max(sentBytes, one.sentBytes) },
  })
  await assert.rejects(failing, /push to registry .* was interrupted at the (layer|configuration) sha256:.*push again to go on/)
  const copy = createLayout(join(server.folder, 'copy'))
  assert.deepEqual(await pullImage({ registry: direct, reference, platforms: [arm64], layout: copy }), old.image)

  const pushed = await pushImage({ ...sample, reference, registry: direct })
  assert.equal(pushed.isChanged, true)
  assert.deepEqual(await pullImage({ registry: direct, reference, platforms: [arm64], layout: copy }), sample.image)
}, { timeoutMs: 120_000 })

test('a push that is given up leaves the tag as it was', async () => {
  await using server = await startRegistry()
  await using sample = await makeSample({ platforms: [arm64], baseBytes: LARGE })
  await using registry = openClient(server.name)
  const giveUp = new AbortController()
  await assert.rejects(pushImage({
    ...sample, reference: parseReference(`${server.name}/hello:1`), registry, signal: giveUp.signal,
    onProgress: ({ sentBytes }) => { if (sentBytes > 4_000_000) giveUp.abort() },
  }), { name: 'AbortError' })
  assert.ok(!server.requests().some((one) => one.startsWith('PUT /v2/hello/manifests/')))
})

test('a registry that restarts during a push costs a pause, not the push', async () => {
  await using server = await startRegistry()
  await using sample = await makeSample({ platforms: [arm64], baseBytes: LARGE })
  await using registry = openClient(server.name)
  let restarted: Promise<void> | undefined
  const pushed = await pushImage({
    ...sample, reference: parseReference(`${server.name}/hello:1`), registry,
    onProgress: ({ sentBytes }) => { if (sentBytes > 4_000_000) restarted ??= server.restart() },
  })
  await restarted
  assert.equal(pushed.isChanged, true)
  const copy = createLayout(join(server.folder, 'copy'))
  assert.deepEqual(await pullImage({ registry, reference: parseReference(`${server.name}/hello:1`), platforms: [arm64], layout: copy }), sample.image)
}, { timeoutMs: 120_000 })
