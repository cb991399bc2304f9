import * as assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { deleteManifest, listRepositories, listTags, readStoredImage } from '../../platform/image/catalog.ts'
import { createLayout } from '../../platform/image/layout.ts'
import { pullImage } from '../../platform/image/pull.ts'
import { pushImage } from '../../platform/image/push.ts'
import { parseReference } from '../../platform/image/reference.ts'
import { cases, test } from '../kit.ts'
import { startFront } from './front.ts'
import { freePort, startRegistry, type RegistryServerOptions } from './registry-server.ts'
import { amd64, arm64, makeSample, openClient } from './sample-image.ts'

const run = promisify(execFile)

type Trouble = {
  readonly name: string
  readonly server?: RegistryServerOptions
  readonly client?: 'no password' | 'wrong password' | 'no authority'
  readonly says: RegExp
}
cases('a push that cannot be is explained', [
  { name: 'no credentials', server: { hasPassword: true }, client: 'no password', says: /asks for a password to .*, and none is known: run "docker login/ },
  { name: 'a wrong password', server: { hasPassword: true }, client: 'wrong password', says: /refuses the credentials from .*wrong\.json/ },
  { name: 'a certificate nobody knows', server: { isTls: true }, client: 'no authority', says: /is not trusted here: name the file of its certificate authority with --registry-ca/ },
] satisfies readonly Trouble[] as readonly Trouble[], async ({ server: options, client, says }) => {
  await using server = await startRegistry(options)
  await using sample = await makeSample()
  const wrong = join(server.folder, 'wrong.json')
  await writeFile(wrong, JSON.stringify({ auths: { [server.name]: { auth: Buffer.from('pusher:s3cret').toString('base64') } } }))
  await using registry = openClient(server.name, {
    ...(client === 'wrong password' ? { authFile: wrong } : {}),
    ...(options?.isTls && client !== 'no authority' ? { ca: await readFile(server.caFile, 'utf8') } : {}),
  })
  await assert.rejects(pushImage({ ...sample, reference: parseReference(`${server.name}/hello:1`), registry }), (error: Error) => {
    assert.match(error.message, says)
    assert.ok(!error.message.includes('s3cret'))
    return true
  })
  assert.ok(!server.requests().some((one) => /^(POST|PUT|PATCH) .* 20\d$/.test(one)))
})

test('a registry that is not there is said at once', async () => {
  await using sample = await makeSample()
  const name = `127.0.0.1:${await freePort()}`
  let retries = 0
  await using registry = openClient(name, { onRetry: () => { retries++ } })
  await assert.rejects(pushImage({ ...sample, reference: parseReference(`${name}/hello:1`), registry }), /cannot be reached: the connection is refused; is it running/)
  assert.equal(retries, 0)
})

test('a registry that takes a connection and says nothing is given up', async () => {
  const silent = createServer((socket) => { socket.on('error', () => undefined) }).listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const address = silent.address()
  const name = `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  await using sample = await makeSample()
  let retries = 0
  await using registry = openClient(name, { onRetry: () => { retries++ } })
  await assert.rejects(pushImage({ ...sample, reference: parseReference(`${name}/hello:1`), registry }), { code: 'TIMEOUT', message: /could not be reached within 10 s/ })
  assert.equal(retries, 0)
  silent.close()
}, { timeoutMs: 60_000 })

test('a registry with TLS that nobody vouches for is good enough when it is said to be', async () => {
  await using server = await startRegistry({ isTls: true })
  await using sample = await makeSample()
  await using registry = openClient(server.name, { isInsecure: true })
  assert.equal((await pushImage({ ...sample, reference: parseReference(`${server.name}/hello:1`), registry })).isChanged, true)
})

test('a registry whose disk is full is said to be full, and the old image stays', async () => {
  const disk = await mkdtemp(join(tmpdir(), 'bramble-full-'))
  await run('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', disk])
  try {
    await using server = await startRegistry({ dataFolder: disk })
    await using small = await makeSample({ platforms: [arm64] })
    await using large = await makeSample({ platforms: [arm64], baseBytes: 6_000_000 })
    await using registry = openClient(server.name)
    const reference = parseReference(`${server.name}/hello:1`)
    await pushImage({ ...small, reference, registry })
    await assert.rejects(pushImage({ ...large, reference, registry }), /registry .* is full, trying to push the layer .*bramble images prune/)
    const copy = createLayout(join(server.folder, 'copy'))
    assert.deepEqual(await pullImage({ registry, reference, platforms: [arm64], layout: copy }), small.image)
  } finally {
    await run('umount', [disk])
    await rm(disk, { recursive: true, force: true })
  }
}, { timeoutMs: 120_000 })

test('a full disk here is said to be full, and what was pulled by then is whole', async () => {
  const disk = await mkdtemp(join(tmpdir(), 'bramble-full-'))
  await run('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', disk])
  try {
    await using server = await startRegistry()
    await using sample = await makeSample({ platforms: [arm64], baseBytes: 6_000_000 })
    await using registry = openClient(server.name)
    const reference = parseReference(`${server.name}/hello:1`)
    await pushImage({ ...sample, reference, registry })
    const layout = createLayout(join(disk, 'images'))
    await assert.rejects(pullImage({ registry, reference, platforms: [arm64], layout }), /cannot be written to .*: the disk is full/)
    for (const digest of await layout.blobs()) {
      for await (const _ of layout.read({ digest, size: await layout.size(digest) ?? 0 })) { /* checked while read */ }
    }
  } finally {
    await run('umount', [disk])
    await rm(disk, { recursive: true, force: true })
  }
})

test('a platform that an image lacks is named, with those it has', async () => {
  await using server = await startRegistry()
  await using sample = await makeSample({ platforms: [amd64] })
  await using registry = openClient(server.name)
  const reference = parseReference(`${server.name}/base:1`)
  await pushImage({ ...sample, reference, registry })
  const pull = pullImage({ registry, reference, platforms: [arm64], layout: createLayout(join(server.folder, 'copy')) })
  await assert.rejects(pull, /base:1 has no image for linux\/arm64, only for linux\/amd64: choose another base/)
})

test('what a registry gives is checked', async () => {
  await using server = await startRegistry()
  await using sample = await makeSample({ platforms: [amd64], baseBytes: 100_000 })
  await using registry = openClient(server.name)
  const reference = parseReference(`${server.name}/base:1`)
  await pushImage({ ...sample, reference, registry })
  const hex = sample.layers[1]?.digest.slice('sha256:'.length) ?? ''
  const stored = join(server.dataFolder, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data')
  const bytes = await readFile(stored)
  bytes[50_000]! ^= 1
  await writeFile(stored, bytes)
  const layout = createLayout(join(server.folder, 'copy'))
  await assert.rejects(pullImage({ registry, reference, platforms: [amd64], layout }), /it was spoilt on its way/)
  assert.equal(await layout.size(`sha256:${hex}`), undefined)
})

test('a manifest that is changed on its way is noticed', async () => {
  await using server = await startRegistry()
  await using sample = await makeSample({ platforms: [arm64] })
  await using direct = openClient(server.name)
  await pushImage({ ...sample, reference: parseReference(`${server.name}/base:1`), registry: direct })
  await using front = await startFront(server.port, (request, response) => {
    if (request.url !== '/v2/base/manifests/1') return false
    response.writeHead(200, { 'content-type': sample.image.mediaType, 'docker-content-digest': sample.image.digest })
    response.end('{"schemaVersion":2,"manifests":[]}')
    return true
  })
  await using registry = openClient(front.name)
  const pull = pullImage({ registry, reference: parseReference(`${front.name}/base:1`), platforms: [arm64], layout: createLayout(join(server.folder, 'copy')) })
  await assert.rejects(pull, /with other bytes .* than it promises/)
})

test('a registry that is busy is asked again when it says', async () => {
  await using server = await startRegistry()
  let refused = 0
  await using front = await startFront(server.port, (request, response) => {
    if (refused === 2 || request.method !== 'HEAD') return false
    refused++
    response.writeHead(429, { 'retry-after': '0' }).end()
    return true
  })
  await using sample = await makeSample({ platforms: [arm64] })
  await using registry = openClient(front.name)
  const pushed = await pushImage({ ...sample, reference: parseReference(`${front.name}/hello:1`), registry })
  assert.deepEqual([pushed.isChanged, refused], [true, 2])
})

cases('a download that is sent elsewhere takes no password there, and goes on after a cut', [
  { name: 'where it was cut', knowsRanges: true },
  { name: 'and gets all of it again from a server without ranges', knowsRanges: false },
], async ({ knowsRanges }) => {
  await using server = await startRegistry({ hasPassword: true })
  await using sample = await makeSample({ platforms: [arm64], baseBytes: 3_000_000 })
  await using direct = openClient(server.name, { authFile: server.authFile })
  await pushImage({ ...sample, reference: parseReference(`${server.name}/base:1`), registry: direct })
  const base = sample.layers[1]
  const bytes = await readFile(join(sample.layout.folder, 'blobs/sha256', base?.digest.slice(7) ?? ''))

  const starts: number[] = []
  await using storage = await startFront(server.port, (request, response) => {
    const asked = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
    const from = knowsRanges ? asked : 0
    response.writeHead(from > 0 ? 206 : 200, { 'content-length': bytes.length - from })
    if (starts.push(asked) > 1) response.end(bytes.subarray(from))
    else response.write(bytes.subarray(0, 1_000_000), () => response.destroy())
    return true
  })
  await using front = await startFront(server.port, (request, response) => {
    if (!request.url?.includes(`/blobs/${base?.digest}`) || !request.headers.authorization) return false
    response.writeHead(307, { location: `http://${storage.name}/bucket/base` }).end()
    return true
  })
  const auths = JSON.parse(await readFile(server.authFile, 'utf8'))
  await writeFile(server.authFile, JSON.stringify({ auths: { [front.name]: auths.auths[server.name], [storage.name]: auths.auths[server.name] } }))
  await using registry = openClient(front.name, { authFile: server.authFile })
  const layout = createLayout(join(server.folder, 'copy'))
  await pullImage({ registry, reference: parseReference(`${front.name}/base:1`), platforms: [arm64], layout })
  assert.ok(front.requests.some(({ authorization }) => authorization?.startsWith('Basic ')))
  assert.equal(starts.length, 2)
  assert.ok((starts[1] ?? 0) > 0, 'what had arrived was not asked for again')
  assert.ok(storage.requests.every(({ authorization }) => authorization === undefined), 'the password stayed with the registry')
})

test('what is in a registry is listed, page by page, and removed by name', async () => {
  await using server = await startRegistry()
  await using sample = await makeSample()
  await using other = await makeSample({ layout: sample.layout, workingDir: '/app' })
  await using registry = openClient(server.name)
  const push = (image: typeof sample, name: string) => pushImage({ ...image, reference: parseReference(`${server.name}/${name}`), registry })
  // More than a page.
  for (let n = 0; n < 103; n++) await push(sample, `many/f${n}:1`)
  await push(other, 'base:1')
  await push(other, 'base:2')
  const repositories = await listRepositories(registry)
  assert.equal(repositories.length, 104)
  assert.deepEqual(await listTags(registry, 'base'), ['1', '2'])
  assert.deepEqual(await listTags(registry, 'none'), [])
  const found = await readStoredImage(registry, 'base', '1')
  assert.deepEqual([found?.digest, found?.platforms, found?.isFunction], [other.image.digest, ['linux/arm64', 'linux/amd64'], false])
  assert.equal([...found?.blobs.values() ?? []].filter((size) => size === 300_000).length, 2)
  assert.equal((await readStoredImage(registry, 'many/f0', '1'))?.isFunction, true)
  await deleteManifest(registry, 'base', other.image.digest)
  await deleteManifest(registry, 'base', other.image.digest)
  assert.equal(await readStoredImage(registry, 'base', '1'), undefined)
  assert.deepEqual(await listTags(registry, 'base'), [])
}, { timeoutMs: 400_000 })

test('a registry that deletes nothing says how to allow it', async () => {
  await using server = await startRegistry({ isDeletable: false })
  await using sample = await makeSample()
  await using registry = openClient(server.name)
  await pushImage({ ...sample, reference: parseReference(`${server.name}/hello:1`), registry })
  await assert.rejects(deleteManifest(registry, 'hello', sample.image.digest), /set not to delete anything: allow it there .*delete: \{enabled: true\}/)
})
