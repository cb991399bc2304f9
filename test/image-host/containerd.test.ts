import * as assert from 'node:assert/strict'
import { readFile, readlink } from 'node:fs/promises'
import { test } from '../kit.ts'
import { startContainerd } from './containerd.ts'
import { buildImages, pushImages } from './fixture-images.ts'
import { hostPlatform } from './own-bases.ts'
import { startRegistry } from './registry-server.ts'

const USER = '12000'
const foreign = hostPlatform.architecture === 'arm64' ? 'amd64' : 'arm64'
const LIMIT = { timeoutMs: 300_000 }

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
  assert.equal(await containerd.answer(image('express'), '/hello/ada'), '{"hello":"ada"}')
  assert.equal(await containerd.answer(image('sqlite'), '/?word=ada'), '{"word":"ada","count":1}')
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
