import * as assert from 'node:assert/strict'
import { pushImage } from '../../platform/image/push.ts'
import { parseReference } from '../../platform/image/reference.ts'
import { createWorkplace, given, startGateway } from '../cli/bramble.ts'
import { test } from '../kit.ts'
import { handler, startPlace } from './place.ts'
import { startRegistry } from './registry-server.ts'
import { makeSample, openClient } from './sample-image.ts'

test('images are listed, and prune removes what no function uses, when it is told to', async () => {
  await using at = await startPlace()
  const stack = await at.platform.at.read('stack.yml')
  const up = async (version: string): Promise<void> => {
    await at.platform.at.write({ 'stack.yml': stack.replaceAll(':1.0', `:${version}`), 'hello/handler.ts': handler(version) })
    const { code, stderr } = await at.bramble('up', '--push', '--base', `${at.server.name}/base:1`)
    assert.equal(code, 0, stderr)
  }
  await up('1.0')
  await up('2.0')
  const list = await at.bramble('images')
  assert.equal(list.code, 0, list.stderr)
  assert.match(list.stdout, new RegExp(`^${at.server.name}/team/hello:1\\.0 +linux/arm64, linux/amd64 +4\\.\\d MB +sha256:[0-9a-f]{64}$`, 'm'))
  assert.match(list.stdout, /: 5 images, 4\.\d MB together, shared layers counted once$/m)
  const json: unknown = JSON.parse((await at.bramble('images', `${at.server.name}/team/hello`, '--json')).stdout)
  assert.ok(Array.isArray(json) && json.length === 2 && json[0].image === `${at.server.name}/team/hello:1.0`)

  const dry = await at.bramble('images', 'prune', '--dry-run')
  assert.equal(dry.code, 0, dry.stderr)
  // `bye` did not change: both tags are the same image, and the new one runs.
  assert.match(dry.stdout, /^would remove .*\/team\/hello:1\.0 /m)
  assert.match(dry.stdout, /1 of 5 images, .* kept: 3 in use, 1 not made by bramble$/m)
  const unconfirmed = await at.bramble('images', 'prune')
  assert.deepEqual([unconfirmed.code, unconfirmed.stdout], [1, dry.stdout])
  assert.match(unconfirmed.stderr, /nothing was removed: confirm with "bramble images prune --yes"/)
  const pruned = await at.bramble('images', 'prune', '--yes')
  assert.equal(pruned.code, 0, pruned.stderr)
  const left = (await at.bramble('images')).stdout
  for (const name of ['team/hello:2.0', 'team/bye:1.0', 'team/bye:2.0', 'base:1']) assert.ok(left.includes(`${at.server.name}/${name}`), left)
  assert.ok(!left.includes('team/hello:1.0'))
  assert.match((await at.bramble('images', 'prune', '--yes')).stdout, /nothing to remove/)
}, { timeoutMs: 150_000 })

test('prune keeps what runs by its digest although its tag has moved', async () => {
  await using server = await startRegistry()
  await using old = await makeSample()
  await using fresh = await makeSample({ layout: old.layout, bases: old.layers.slice(1) })
  await using registry = openClient(server.name)
  const push = (sample: typeof old, tag: string) => pushImage({ ...sample, reference: parseReference(`${server.name}/hello:${tag}`), registry })
  await push(old, '1')
  await push(fresh, '1')
  await push(fresh, 'old')
  await using gateway = await startGateway({ functions: [given('hello', { image: `${server.name}/hello:1@${old.image.digest}` })] })
  await using at = await createWorkplace()
  const { code, stdout, stderr } = await at.bramble(['images', 'prune', '--yes', '--registry', server.name, '-g', gateway.url])
  assert.equal(code, 0, stderr)
  assert.match(stdout, /nothing to remove \(3 in use\)/)
  await gateway.provider.remove({ name: 'hello', namespace: 'openfaas-fn' })
  const later = await at.bramble(['images', 'prune', '--yes', '--registry', server.name, '-g', gateway.url])
  assert.match(later.stdout, /removed 2 images/)
})

test('prune without the gateway removes nothing: what it does not name would be taken for unused', async () => {
  await using server = await startRegistry()
  await using sample = await makeSample()
  await using registry = openClient(server.name)
  await pushImage({ ...sample, reference: parseReference(`${server.name}/hello:1`), registry })
  await using at = await createWorkplace()
  const { code, stderr } = await at.bramble(['images', 'prune', '--yes', '--registry', server.name, '-g', 'http://127.0.0.1:9'])
  assert.equal(code, 1)
  assert.match(stderr, /cannot reach http:\/\/127\.0\.0\.1:9/)
  assert.ok(!server.requests().some((one) => one.startsWith('DELETE')))
})
