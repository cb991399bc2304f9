/** `bramble lint --ask-registries`: what a registry says to somebody without a password. */
import * as assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { test } from '../kit.ts'
import { createWorkplace } from './bramble.ts'
import { stackOf } from './platform.ts'

const statuses: Readonly<Record<string, number>> = { 'team/public': 200, 'team/private': 401, 'team/denied': 403, 'team/absent': 404 }

type PlayedRegistry = AsyncDisposable & { readonly host: string; readonly asked: readonly string[] }

/** Answers by the name of the repository alone. */
async function startRegistry(): Promise<PlayedRegistry> {
  const asked: string[] = []
  const server = createServer((req, res) => {
    asked.push(`${req.method} ${req.url} ${req.headers.authorization ?? 'nobody'}`)
    const status = statuses[/^\/v2\/(.+)\/manifests\/1$/.exec(req.url ?? '')?.[1] ?? ''] ?? 500
    res.writeHead(status, status === 401 ? { 'www-authenticate': 'Basic realm="x"' } : {}).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return {
    asked, host: `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

test('an image that is not for everybody is named, and nobody\'s password is used', async () => {
  await using registry = await startRegistry()
  const names = ['public', 'private', 'denied', 'absent']
  const stack = stackOf(Object.fromEntries(names.map((name) => [name, 'skip_build: true']))).replace(/image: test\/(\w+):1/g, `image: ${registry.host}/team/$1:1`)
  await using at = await createWorkplace({
    'stack.yml': stack,
    '.docker/config.json': JSON.stringify({ auths: { [registry.host]: { auth: Buffer.from('ada:secret').toString('base64') } } }),
  })
  const { code, stdout, stderr } = await at.bramble(['lint', '--ask-registries', '--insecure-registry', registry.host])
  assert.equal(code, 1, stderr)
  const told = stdout.trim().split('\n').map((line) => line.replaceAll(registry.host, 'REGISTRY').replace(/^error \S+ /, ''))
  assert.deepEqual(told, [
    'private: image: its registry gives REGISTRY/team/private:1 to nobody without a password, or has it not: push it, and make it public',
    'denied: image: its registry gives REGISTRY/team/denied:1 to nobody without a password, or has it not: push it, and make it public',
    'absent: image: REGISTRY/team/absent:1 is not in its registry: build and push it (bramble build, bramble push), or correct its name',
  ])
  assert.ok(registry.asked.length >= names.length && registry.asked.every((one) => one.endsWith(' nobody')), registry.asked.join('\n'))
})

test('where no registry answers, lint warns', async () => {
  await using at = await createWorkplace({ 'stack.yml': stackOf({ a: 'skip_build: true' }).replace('test/a:1', '127.0.0.1:1/a:1') })
  const { code, stdout } = await at.bramble(['lint', '--ask-registries'])
  assert.equal(code, 0, stdout)
  assert.match(stdout, /^warning stack\.yml:8:12: a: image: nobody knows whether everybody gets 127\.0\.0\.1:1\/a:1: registry 127\.0\.0\.1:1 cannot be reached/)
})
