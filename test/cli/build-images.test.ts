import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as assert from 'node:assert/strict'
import { lockedNode, readBaseLock } from '../../platform/image/base-lock.ts'
import { BASES_FOLDER, baseName } from '../../platform/image/base.ts'
import { writeManifest } from '../../platform/image/image.ts'
import { writeLayer } from '../../platform/image/layer.ts'
import { createLayout } from '../../platform/image/layout.ts'
import { digestOf, mediaTypes, supportedPlatforms } from '../../platform/image/oci.ts'
import { cases, test } from '../kit.ts'
import { createWorkplace, ROOT, type Workplace } from './bramble.ts'

/** A build as a process of its own, on a machine with other work. */
const LIMIT = { timeoutMs: 90_000 }
const files = {
  'stack.yml': 'version: 1.0\nprovider: { name: openfaas }\nfunctions:\n' +
    '  hello: { lang: node-ts, handler: ./hello, image: registry.local/team/hello:1.0 }\n' +
    '  again: { lang: node-ts, handler: ./hello, image: registry.local/team/hello:1.0 }\n',
  'hello/handler.ts': 'export default () => "hello"\n',
}

/** Bases of a few bytes in the place of the cached ones: real ones need apt. */
async function keepBases({ folder }: Workplace): Promise<void> {
  const cache = createLayout(join(folder, '.cache/bramble', BASES_FOLDER))
  const lock = await readBaseLock(join(ROOT, 'platform/image/base.lock.json'))
  for (const platform of supportedPlatforms) {
    const layer = await writeLayer(cache, [{ path: 'usr/local/bin/node', type: 'file', content: Buffer.from(platform.architecture), mode: 0o755 }])
    const scratch = { ...platform, config: {}, rootfs: { type: 'layers' as const, diff_ids: [] }, history: [] }
    const manifest = await writeManifest({ platform, layers: [], config: scratch }, {
      layout: cache, layers: [layer], config: { Env: ['PATH=/usr/local/bin'] }, created: '1980-01-01T00:00:00Z', createdBy: 'a test',
    })
    await cache.tag(baseName(platform, lock, await lockedNode(join(ROOT, 'package-lock.json'), platform)), manifest)
  }
}

async function digestIn(workplace: Workplace, words: readonly string[] = []): Promise<string> {
  const { code, stderr } = await workplace.bramble(['build', ...words])
  assert.equal(code, 0, stderr)
  const digest = /hello: image registry\.local\/team\/hello:1\.0 (sha256:[0-9a-f]{64}), layer [\d.]+ KB in \d+ ms/.exec(stderr)?.[1]
  assert.ok(digest, stderr)
  return digest
}

test('images are made, told with their digest, and the same in another folder; functions that share one share its build', async () => {
  await using first = await createWorkplace(files)
  await using second = await createWorkplace(files)
  for (const one of [first, second]) await keepBases(one)
  const digest = await digestIn(first)
  assert.equal(await digestIn(second), digest)
  const layout = createLayout(join(first.folder, 'dist/images'))
  const { manifests } = await layout.index()
  assert.deepEqual(manifests.map(({ digest: one }) => one), [digest])
  // An image that has been spoilt since is no reason not to make others.
  await layout.tag('registry.local/team/gone:1.0', { mediaType: mediaTypes.index, digest: digestOf('gone'), size: 4 })
  const again = await first.bramble(['build'])
  assert.equal(again.code, 0, again.stderr)
  assert.match(again.stderr, new RegExp(`${digest}.* \\(unchanged\\)`))
  await first.write({ 'hello/handler.ts': 'export default () => "other"\n' })
  assert.notEqual(await digestIn(first), digest)
}, LIMIT)

test('one platform may be left out, and all images go into one file', async () => {
  await using workplace = await createWorkplace(files)
  await keepBases(workplace)
  const all = await digestIn(workplace)
  assert.notEqual(await digestIn(workplace, ['--platform', 'linux/arm64', '--archive', 'out/images.tar']), all)
  assert.deepEqual(await readdir(join(workplace.folder, 'out')), ['images.tar'])
}, LIMIT)

cases('refused in one line', [
  { name: 'a platform that nobody makes', words: ['--platform', 'linux/riscv64'], message: /^--platform linux\/riscv64: images are made for linux\/arm64 and linux\/amd64$/ },
  { name: 'a base that is no image', words: ['--base', 'Registry/Node:24:1'], message: /^image "Registry\/Node:24:1" / },
  { name: 'a function that is not there', words: ['nobody'], message: /nobody/ },
], async ({ words, message }) => {
  await using workplace = await createWorkplace(files)
  const { code, stderr } = await workplace.bramble(['build', ...words, '--skip-build'])
  assert.equal(code, 1)
  assert.match(stderr.trim(), message)
}, LIMIT)

test('a folder that cannot be written to is named', async () => {
  await using workplace = await createWorkplace(files)
  await keepBases(workplace)
  await mkdir(join(workplace.folder, 'dist'))
  await writeFile(join(workplace.folder, 'dist/images'), 'a file')
  const { code, stderr } = await workplace.bramble(['build'])
  assert.equal(code, 1)
  assert.match(stderr, /cannot be written to .*dist\/images: a file is where a folder must be; remove it$/m)
  await rm(join(workplace.folder, 'dist/images'))
  await digestIn(workplace)
}, LIMIT)
