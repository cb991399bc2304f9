import * as assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createLayout } from '../../platform/image/layout.ts'
import { pullImage } from '../../platform/image/pull.ts'
import { pushImage } from '../../platform/image/push.ts'
import { parseReference } from '../../platform/image/reference.ts'
import { cases, test } from '../kit.ts'
import { startRegistry } from './registry-server.ts'
import { arm64, makeSample, openClient } from './sample-image.ts'
import { IDENTITY_TOKEN, startTokenServer } from './token-server.ts'

/** Longer than any push of a test. */
const LONG_S = 300

cases('a registry with tokens is pushed to', [
  { name: 'with a password for the token server', isIdentity: false, method: 'GET' },
  { name: 'with an identity token', isIdentity: true, method: 'POST' },
], async ({ isIdentity, method }) => {
  await using tokens = await startTokenServer(LONG_S)
  await using server = await startRegistry({ tokens })
  await using sample = await makeSample()
  if (isIdentity) await writeFile(server.authFile, JSON.stringify({ auths: { [server.name]: { identitytoken: IDENTITY_TOKEN } } }))
  await using registry = openClient(server.name, { authFile: server.authFile })
  const push = (name: string) => pushImage({ ...sample, reference: parseReference(`${server.name}/team/${name}:1`), registry, mountFrom: ['team/one'] })
  await push('one')
  assert.deepEqual(tokens.requests, [`${method} pusher repository:team/one:pull,push`], 'one token is enough for a push')
  const pushed = await push('two')
  assert.deepEqual(pushed.sent.filter(({ kind }) => kind === 'layer').map(({ size }) => size), [20_000], 'large layers are mounted with a token for both repositories')
  assert.ok(tokens.requests.includes(`${method} pusher repository:team/two:pull,push repository:team/one:pull`))
})

test('a token that ends is renewed', async () => {
  // Shorter than the margin before its end: no token is used twice.
  await using tokens = await startTokenServer(5)
  await using server = await startRegistry({ tokens })
  await using sample = await makeSample({ platforms: [arm64] })
  await using registry = openClient(server.name, { authFile: server.authFile })
  await pushImage({ ...sample, reference: parseReference(`${server.name}/hello:1`), registry })
  assert.ok(tokens.requests.length > 5, `${tokens.requests.length} tokens`)
})

test('without a password one may pull what is open, and is told what pushing needs', async () => {
  await using tokens = await startTokenServer(LONG_S)
  await using server = await startRegistry({ tokens })
  await using sample = await makeSample({ platforms: [arm64] })
  await using known = openClient(server.name, { authFile: server.authFile })
  const reference = parseReference(`${server.name}/hello:1`)
  await pushImage({ ...sample, reference, registry: known })
  await using stranger = openClient(server.name)
  assert.deepEqual(await pullImage({ registry: stranger, reference, platforms: [arm64], layout: createLayout(join(server.folder, 'copy')) }), sample.image)
  await assert.rejects(pushImage({ ...sample, reference: parseReference(`${server.name}/other:1`), registry: stranger }), /asks for a password to .*, and none is known/)
})

test('a password that the token server refuses is named by its file', async () => {
  await using tokens = await startTokenServer(LONG_S)
  await using server = await startRegistry({ tokens })
  await using sample = await makeSample({ platforms: [arm64] })
  await writeFile(server.authFile, JSON.stringify({ auths: { [server.name]: { auth: Buffer.from('pusher:s3cret').toString('base64') } } }))
  await using registry = openClient(server.name, { authFile: server.authFile })
  await assert.rejects(pushImage({ ...sample, reference: parseReference(`${server.name}/hello:1`), registry }), (error: Error) => {
    assert.ok(error.message.includes(`refuses the credentials from ${server.authFile}`))
    assert.ok(!error.message.includes('s3cret'))
    return true
  })
})

test('a password does not go to a token server without TLS when the registry has it', async () => {
  await using tokens = await startTokenServer(LONG_S)
  await using server = await startRegistry({ isTls: true, tokens })
  await using sample = await makeSample({ platforms: [arm64] })
  await using registry = openClient(server.name, { authFile: server.authFile, ca: await readFile(server.caFile, 'utf8') })
  await assert.rejects(pushImage({ ...sample, reference: parseReference(`${server.name}/hello:1`), registry }), /which is no https address: nothing was sent/)
  assert.deepEqual(tokens.requests, [])
})
