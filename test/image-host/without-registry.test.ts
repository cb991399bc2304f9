import * as assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLayout } from '../../platform/image/layout.ts'
import { test } from '../kit.ts'
import { startContainerd } from './containerd.ts'
import { buildImages } from './fixture-images.ts'
import { freePort } from './registry-server.ts'

const root = join(import.meta.dirname, '../..')
const USER = '12000'
const LIMIT = { timeoutMs: 300_000 }

test('a machine without a way to a registry takes the images from one file', async () => {
  await using made = await buildImages('registry.invalid', ['hello', 'sqlite', '--archive', 'images.tar'])
  await using containerd = await startContainerd()
  await containerd.import(join(made.folder, 'images.tar'))
  assert.equal(await containerd.answer('registry.invalid/images/hello:1.0', '/?name=Ada'), 'Hello, Ada!\n')
  assert.equal(await containerd.answer('registry.invalid/images/sqlite:1.0', '/?word=ada'), '{"word":"ada","count":1}')
}, LIMIT)

test('the image of the platform runs as nobody and needs no more than a folder for its data', async () => {
  await using made = await buildImages('registry.invalid', ['hello', '--platform-image', 'registry.invalid/bramble/platform:1', '--archive', 'images.tar'])
  await using containerd = await startContainerd()
  await containerd.import(join(made.folder, 'images.tar'))
  const port = await freePort()
  await using container = await containerd.run('registry.invalid/bramble/platform:1', {
    env: { port: String(port), data_dir: '/data/platform', basic_auth: 'false' }, scratchFolders: ['/data'], service: { port, path: '/system/functions' },
  })
  assert.deepEqual(await (await fetch(`${container.url}/system/functions`)).json(), [])
  assert.match(await readFile(`/proc/${container.pid}/status`, 'utf8'), new RegExp(`^Uid:\\t${USER}\\t`, 'm'))
}, LIMIT)

test('the same commit gives the same digest, in whatever folder it is built', async () => {
  const parent = await mkdtemp(join(tmpdir(), 'bramble-clones-'))
  try {
    const digests: unknown[] = []
    for (const name of ['one', 'elsewhere/two']) {
      const clone = join(parent, name)
      execFileSync('git', ['clone', '--quiet', '--shared', root, clone])
      await symlink(join(root, 'node_modules'), join(clone, 'node_modules'))
      await using made = await buildImages('registry.invalid', ['hello'], clone)
      digests.push((await createLayout(join(made.folder, 'dist/images')).find('registry.invalid/images/hello:1.0'))?.digest)
    }
    assert.match(String(digests[0]), /^sha256:/)
    assert.equal(digests[0], digests[1])
  } finally {
    await rm(parent, { recursive: true, force: true })
  }
}, LIMIT)
