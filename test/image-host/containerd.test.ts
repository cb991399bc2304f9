import * as assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtemp, readFile, readlink, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLayout } from '../../platform/image/layout.ts'
import { test } from '../kit.ts'
import { startContainerd, type Containerd } from './containerd.ts'
import { buildImages, pushImages } from './fixture-images.ts'
import { hostPlatform } from './own-bases.ts'
import { freePort, startRegistry } from './registry-server.ts'

const root = join(import.meta.dirname, '../..')
const USER = '12000'
const foreign = hostPlatform.architecture === 'arm64' ? 'amd64' : 'arm64'
const LIMIT = { timeoutMs: 170_000 }

async function answerOf(containerd: Containerd, image: string, path: string, architecture = hostPlatform.architecture): Promise<string> {
  await using container = await containerd.run(image, { architecture })
  return (await fetch(container.url + path)).text()
}

test('images go through a registry with TLS and a password and run as nobody, with a root that nothing can write to', async () => {
  await using server = await startRegistry({ isTls: true, hasPassword: true })
  await using made = await buildImages(server.name)
  await pushImages(made, server)
  await using containerd = await startContainerd()
  const image = (name: string): string => `${server.name}/images/${name}:1.0`
  for (const name of ['hello', 'express', 'sqlite']) await containerd.pull(server, image(name), hostPlatform.architecture)

  {
    await using container = await containerd.run(image('hello'))
    assert.equal(await (await fetch(`${container.url}/?name=Ada`)).text(), 'Hello, Ada!\n')
    const status = await readFile(`/proc/${container.pid}/status`, 'utf8')
    assert.match(status, new RegExp(`^Uid:\\t${USER}\\t${USER}\\t${USER}\\t${USER}$`, 'm'))
    assert.match(status, /^CapEff:\t0+$/m)
    assert.equal(await readlink(`/proc/${container.pid}/exe`), '/usr/local/bin/node')
    const write = (path: string) => container.evaluate(`try { fs.writeFileSync('${path}', ''); console.log('written') } catch (error) { console.log(error.code) }`)
    assert.deepEqual([await write('/home/function/index.mjs'), await write('/tmp/file')], ['EROFS', 'EROFS'])
    assert.equal(await container.evaluate('console.log(fs.readdirSync("/home/function").join(" "))'), 'index.mjs index.mjs.map')
  }
  assert.equal(await answerOf(containerd, image('express'), '/hello/ada'), '{"hello":"ada"}')
  assert.equal(await answerOf(containerd, image('sqlite'), '/?word=ada'), '{"word":"ada","count":1}')
}, LIMIT)

test("the image for the other kind of machine answers under that machine's emulator", async () => {
  await using server = await startRegistry({ isTls: true, hasPassword: true })
  await using made = await buildImages(server.name, ['hello', '--platform', `linux/${foreign}`])
  await pushImages(made, server, ['hello'])
  await using containerd = await startContainerd()
  await containerd.pull(server, `${server.name}/images/hello:1.0`, foreign)
  await using container = await containerd.run(`${server.name}/images/hello:1.0`, { architecture: foreign })
  assert.equal(await (await fetch(`${container.url}/?name=Ada`)).text(), 'Hello, Ada!\n')
  const program = (await readFile(`/proc/${container.pid}/cmdline`, 'utf8')).split('\0')
  assert.deepEqual(program.slice(0, 2), ['/qemu', '/usr/local/bin/node'])
}, LIMIT)

test('a machine without a way to a registry takes the images from one file', async () => {
  await using made = await buildImages('registry.invalid', ['hello', 'sqlite', '--archive', 'images.tar'])
  await using containerd = await startContainerd()
  await containerd.import(join(made.folder, 'images.tar'))
  assert.equal(await answerOf(containerd, 'registry.invalid/images/hello:1.0', '/?name=Ada'), 'Hello, Ada!\n')
  assert.equal(await answerOf(containerd, 'registry.invalid/images/sqlite:1.0', '/?word=ada'), '{"word":"ada","count":1}')
}, LIMIT)

test('the image of the platform runs as nobody and needs no more than a folder for its data', async () => {
  await using made = await buildImages('registry.invalid', ['hello', '--platform-image', 'registry.invalid/bramble/platform:1', '--archive', 'images.tar'])
  await using containerd = await startContainerd()
  await containerd.import(join(made.folder, 'images.tar'))
  const port = await freePort()
  await using container = await containerd.run('registry.invalid/bramble/platform:1', {
    env: { port: String(port), data_dir: '/data', basic_auth: 'false' }, scratchFolders: ['/data'], service: { port, path: '/system/functions' },
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
