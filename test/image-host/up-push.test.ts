import * as assert from 'node:assert/strict'
import { test } from '../kit.ts'
import { handler, startPlace } from './place.ts'

test('up --push makes images, sends what is missing, and deploys them by digest', async () => {
  await using at = await startPlace()
  const up = () => at.bramble('up', '--push', '--base', `${at.server.name}/base:1`)
  const first = await up()
  assert.equal(first.code, 0, first.stderr)
  const digest = new RegExp(`^hello: pushed in .* \\(2 layers, .* KB\\)  ${at.server.name}/team/hello:1\\.0 (sha256:[0-9a-f]{64})$`, 'm').exec(first.stderr)?.[1]
  assert.ok(digest, first.stderr)
  assert.match(first.stderr, /^ {2}layer [0-9a-f]{12} linux\/arm64 2\.0 MB is in the registry, linked$/m)
  assert.match(first.stderr, /^ {2}layer [0-9a-f]{12} linux\/arm64, linux\/amd64 .* sent$/m)
  assert.ok((await at.bramble('list')).stdout.includes(`${at.server.name}/team/hello:1.0@${digest}`))
  assert.equal(await (await fetch(`${at.platform.url}/function/hello`)).text(), 'one')

  const transfers = (): number => at.server.requests().filter((one) => /^(POST|PATCH|PUT) /.test(one)).length
  const before = transfers()
  const again = await up()
  assert.equal(again.code, 0, again.stderr)
  assert.match(again.stderr, /^hello: is in the registry already {2}/m)
  assert.equal(transfers(), before)

  await at.platform.at.write({ 'hello/handler.ts': handler('two') })
  const changed = await up()
  assert.equal(changed.code, 0, changed.stderr)
  assert.match(changed.stderr, /^hello: pushed in/m)
  assert.match(changed.stderr, /^bye: is in the registry already/m)
  assert.ok(!changed.stderr.includes(digest))
  assert.equal(await (await fetch(`${at.platform.url}/function/hello`)).text(), 'two')
}, { timeoutMs: 150_000 })

test('up --push deploys nothing that was not pushed, and is 1', async () => {
  await using at = await startPlace()
  await at.platform.at.write({ 'hello/handler.ts': handler('two') })
  const { code, stderr } = await at.platform.bramble(['up', '--push', 'hello', '--base', `${at.server.name}/base:1`])
  assert.equal(code, 1)
  assert.match(stderr, /is not trusted here: name the file of its certificate authority with --registry-ca/)
  assert.equal(await (await fetch(`${at.platform.url}/function/hello`)).text(), 'one')
}, { timeoutMs: 150_000 })

test('build, then push: an image that was not made is named', async () => {
  await using at = await startPlace()
  const early = await at.bramble('push', 'hello')
  assert.deepEqual([early.code, early.stderr.trim()], [1, `the image ${at.server.name}/team/hello:1.0 of hello has not been made: make it with "bramble build hello"`])
  const built = await at.bramble('build', 'hello', '--base', `${at.server.name}/base:1`)
  assert.equal(built.code, 0, built.stderr)
  const { code, stderr } = await at.bramble('push', 'hello')
  assert.equal(code, 0, stderr)
  assert.ok(!stderr.includes('\x1b'), 'plain where nobody sees colours')
}, { timeoutMs: 150_000 })
