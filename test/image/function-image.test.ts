import { createHash } from 'node:crypto'
import { chmod, mkdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { createZstdDecompress } from 'node:zlib'
import * as assert from 'uvu/assert'
import { makeFunctionImage } from '../../platform/image/function-image.ts'
import type { Layout } from '../../platform/image/layout.ts'
import { mediaTypes, platformName, type Descriptor, type ImageConfig, type Manifest } from '../../platform/image/oci.ts'
import { parseImageConfig, parseIndex, parseManifest } from '../../platform/image/parse-oci.ts'
import { readTar } from '../../platform/image/tar.ts'
import { test } from '../kit.ts'
import { openWorkshop, type Workshop } from './sample-base.ts'

const revision = { commit: 'a'.repeat(40), created: '2026-11-01T10:00:00Z' }

async function makeHello({ folder, layout, bases }: Workshop, code = 'export default () => "hello"') {
  const bundle = join(folder, 'dist', 'hello')
  await mkdir(join(bundle, 'assets'), { recursive: true })
  await writeFile(join(bundle, 'index.mjs'), code)
  await writeFile(join(bundle, 'assets', 'run.sh'), '#!/bin/sh\n')
  await chmod(join(bundle, 'assets', 'run.sh'), 0o700)
  return makeFunctionImage({ layout, bases, revision, name: 'hello', folder: bundle })
}

/** Manifest and configuration for each platform. */
async function takeApart(layout: Layout, image: Descriptor): Promise<ReadonlyMap<string, { manifest: Manifest; config: ImageConfig }>> {
  const { manifests } = parseIndex(await layout.readJson(image), 'the image', image.mediaType)
  return new Map(await Promise.all(manifests.map(async (one) => {
    const manifest = parseManifest(await layout.readJson(one), 'the manifest', one.mediaType)
    assert.ok(one.platform)
    return [platformName(one.platform), { manifest, config: parseImageConfig(await layout.readJson(manifest.config), 'the configuration') }] as const
  })))
}

test('a function is one layer upon the base of each platform, the same blob for all', async () => {
  await using workshop = await openWorkshop()
  const { image, layer } = await makeHello(workshop)
  const parts = await takeApart(workshop.layout, image)
  assert.equal([...parts.keys()], ['linux/arm64', 'linux/amd64'])
  for (const [index, { manifest, config }] of [...parts.values()].entries()) {
    assert.equal(manifest.layers, [...workshop.bases[index]?.layers ?? [], layer.descriptor])
    assert.is(config.rootfs.diff_ids.length, 2)
    assert.is(config.rootfs.diff_ids[1], layer.diffId)
    assert.is(config.architecture, workshop.bases[index]?.platform.architecture)
    assert.is(config.history.length, 2)
  }
})

test('the layer is what it says: zstd around a tar archive of that digest, with the files of the function', async () => {
  await using workshop = await openWorkshop()
  const { layer } = await makeHello(workshop)
  assert.is(layer.descriptor.mediaType, mediaTypes.layerZstd)
  const archive = await buffer(workshop.layout.read(layer.descriptor).pipe(createZstdDecompress()))
  assert.is(`sha256:${createHash('sha256').update(archive).digest('hex')}`, layer.diffId)
  const entries = await readTar(workshop.layout.read(layer.descriptor).pipe(createZstdDecompress()), 'the layer', () => true)
  assert.equal(entries.map((entry) => [entry.path, entry.type, entry.type === 'file' ? entry.mode : undefined]), [
    ['home', 'folder', undefined], ['home/function', 'folder', undefined], ['home/function/assets', 'folder', undefined],
    ['home/function/assets/run.sh', 'file', 0o755], ['home/function/index.mjs', 'file', 0o644],
  ])
})

test('it is started as the template\'s Dockerfile does it, as nobody special, and adds to what the base has', async () => {
  await using workshop = await openWorkshop()
  const { image } = await makeHello(workshop)
  for (const { config } of (await takeApart(workshop.layout, image)).values()) {
    assert.equal(config.config, {
      User: '12000:12000',
      ExposedPorts: { '8080/tcp': {}, '8081/tcp': {} },
      Env: ['PATH=/usr/local/bin:/bin', 'NODE_ENV=production'],
      Cmd: ['node', '--max-semi-space-size=1', '--no-concurrent-recompilation', 'index.mjs'],
      WorkingDir: '/home/function',
      Labels: {
        'org.opencontainers.image.title': 'hello',
        'org.opencontainers.image.created': '2026-11-01T10:00:00Z',
        'org.opencontainers.image.revision': 'a'.repeat(40),
      },
    })
    assert.is(config.created, '2026-11-01T10:00:00Z')
  }
})

test('the same input in another folder, at another time, gives the same digest; another byte another one', async () => {
  await using first = await openWorkshop()
  await using second = await openWorkshop()
  const { image } = await makeHello(first)
  await utimes(join(first.folder, 'dist', 'hello', 'index.mjs'), new Date(0), new Date(0))
  assert.is((await makeHello(second)).image.digest, image.digest)
  assert.is((await makeHello(first)).image.digest, image.digest)
  assert.is.not((await makeHello(first, 'export default () => "other"')).image.digest, image.digest)
})

test('what has not been built is named with the command that builds it', async () => {
  await using workshop = await openWorkshop()
  const { layout, bases, folder } = workshop
  await mkdir(join(folder, 'empty'))
  for (const name of ['missing', 'empty']) {
    const error = await makeFunctionImage({ layout, bases, revision, name, folder: join(folder, name) }).then(() => undefined, (reason: unknown) => reason)
    assert.match(String(error), new RegExp(`${name}.*build it first with "npm run build"`))
  }
})
