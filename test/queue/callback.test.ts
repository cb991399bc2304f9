/** Where callbacks may go: URLs are anybody's, and the platform stands in a private network. */
import * as assert from 'node:assert/strict'
import { createServer, get } from 'node:http'
import type { AddressInfo } from 'node:net'
import { BrambleError } from '../../platform/lib/errors.ts'
import { createCallbackSender } from '../../platform/queue/callback.ts'
import type { CallbackHead } from '../../platform/queue/queue.ts'
import { cases, test } from '../kit.ts'

const headTo = (url: string): CallbackHead => ({ kind: 'callback', ref: { name: 'one', namespace: 'openfaas-fn' }, callId: 'a', url, headers: ['X-Call-Id', 'a'] })
const never = new AbortController().signal
const codeOf = (code: string) => (error: unknown): boolean => error instanceof BrambleError && error.code === code

const strict = createCallbackSender({ allowedHosts: [], timeoutMs: 1_000 })

cases('refused at once', [
  { name: 'no URL', url: 'nonsense', code: 'INVALID' },
  { name: 'another protocol', url: 'ftp://example.com/', code: 'INVALID' },
  { name: 'a file', url: 'file:///etc/passwd', code: 'INVALID' },
  { name: 'a password', url: 'http://user:pass@example.com/', code: 'INVALID' },
  { name: 'too long', url: `http://example.com/${'a'.repeat(3_000)}`, code: 'INVALID' },
  { name: 'loopback', url: 'http://127.0.0.1:8080/', code: 'FORBIDDEN' },
  { name: 'loopback in hexadecimal', url: 'http://0x7f000001/', code: 'FORBIDDEN' },
  { name: 'loopback as one number', url: 'http://2130706433/', code: 'FORBIDDEN' },
  { name: 'loopback in short', url: 'http://127.1/', code: 'FORBIDDEN' },
  { name: 'IPv6 loopback', url: 'http://[::1]/', code: 'FORBIDDEN' },
  { name: 'IPv4 within IPv6', url: 'http://[::ffff:10.0.0.1]/', code: 'FORBIDDEN' },
  { name: 'the metadata address of clouds', url: 'http://169.254.169.254/latest', code: 'FORBIDDEN' },
  { name: 'localhost', url: 'http://localhost/', code: 'FORBIDDEN' },
  { name: 'a name of this network', url: 'http://gateway:8080/', code: 'FORBIDDEN' },
  { name: 'a name of the cluster', url: 'http://gateway.openfaas.svc.cluster.local/', code: 'FORBIDDEN' },
], ({ url, code }) => {
  assert.throws(() => strict.check(url), codeOf(code))
})

test('what is allowed by name, with its port or as a whole, passes', () => {
  const sender = createCallbackSender({ allowedHosts: ['gateway.openfaas:8080', 'Printer'], timeoutMs: 1_000 })
  sender.check('http://gateway.openfaas:8080/function/a')
  sender.check('http://printer:99/')
  assert.throws(() => sender.check('http://127.0.0.1/'), codeOf('FORBIDDEN'))
  createCallbackSender({ allowedHosts: ['*'], timeoutMs: 1_000 }).check('http://127.0.0.1/')
  strict.check('https://example.com/path?x=1')
})

test('a public name with a private address is refused when it is sent, and nobody is called', async () => {
  let calls = 0
  const server = createServer((_req, res) => { calls++; res.end() })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const sender = createCallbackSender({ allowedHosts: [], timeoutMs: 1_000, lookup: async () => [{ address: '1.1.1.1', family: 4 }, { address: '127.0.0.1', family: 4 }] })
  sender.check(`http://rebind.example.com:${port}/`)
  await assert.rejects(sender.send(headTo(`http://rebind.example.com:${port}/`), Buffer.from('x'), never), codeOf('FORBIDDEN'))
  assert.equal(calls, 0)
  server.close()
})

test('the connection goes to the address that was checked, whatever the name means a moment later', async () => {
  const servers = await Promise.all(['127.0.0.2', '127.0.0.1'].map(async (address) => {
    const hosts: (string | undefined)[] = []
    const server = createServer((req, res) => { hosts.push(req.headers.host); res.end() })
    return { address, hosts, server }
  }))
  const [good, bad] = servers
  assert.ok(good && bad)
  await new Promise<void>((resolve) => good.server.listen(0, good.address, resolve))
  const { port } = good.server.address() as AddressInfo
  await new Promise<void>((resolve) => bad.server.listen(port, bad.address, resolve))
  // Somebody of this process has a connection to the bad one open, under the same name.
  await new Promise<void>((resolve) => {
    get({ host: 'rebind.example.com', port, lookup: (_host, _options, done) => done(null, [{ address: bad.address, family: 4 }]) }, (response) => response.resume().on('end', resolve))
  })
  bad.hosts.length = 0
  let lookups = 0
  const sender = createCallbackSender({
    allowedHosts: [], timeoutMs: 5_000, isPublic: (address) => address === '127.0.0.2',
    lookup: async () => [{ address: lookups++ === 0 ? '127.0.0.2' : '127.0.0.1', family: 4 }],
  })
  const result = await sender.send(headTo(`http://rebind.example.com:${port}/`), Buffer.from('x'), never)
  assert.equal(result.status, 200)
  assert.deepEqual([good.hosts, bad.hosts, lookups], [[`rebind.example.com:${port}`], [], 1])
  for (const { server } of servers) {
    server.close()
    server.closeAllConnections()
  }
})

test('redirects are answers, not followed', async () => {
  const paths: string[] = []
  const server = createServer((req, res) => { paths.push(req.url ?? ''); res.writeHead(302, { location: '/secret' }).end() })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const sender = createCallbackSender({ allowedHosts: ['127.0.0.1'], timeoutMs: 5_000 })
  assert.equal((await sender.send(headTo(`http://127.0.0.1:${port}/back`), Buffer.from('x'), never)).status, 302)
  assert.deepEqual(paths, ['/back'])
  server.close()
  server.closeAllConnections()
})

test('a receiver that says nothing is given up', async () => {
  const server = createServer(() => undefined)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const sender = createCallbackSender({ allowedHosts: ['127.0.0.1'], timeoutMs: 100 })
  await assert.rejects(sender.send(headTo(`http://127.0.0.1:${port}/`), Buffer.from('x'), never))
  server.close()
  server.closeAllConnections()
})

test('the gateway takes answers under its own address and under names that only it knows; nothing else of this machine does', async () => {
  const got: (string | undefined)[][] = []
  const server = createServer((req, res) => { got.push([req.headers.host, req.url]); res.end() })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const sender = createCallbackSender({ allowedHosts: [], gateway: { hosts: ['gateway:8080'], url: () => `http://127.0.0.1:${port}` }, timeoutMs: 5_000 })
  const hosts = ['gateway:8080', `127.0.0.1:${port}`, `localhost:${port}`]
  for (const host of hosts) {
    sender.check(`http://${host}/function/a?b=c`)
    assert.equal((await sender.send(headTo(`http://${host}/function/a?b=c`), Buffer.from('x'), never)).status, 200)
  }
  assert.deepEqual(got, hosts.map((host) => [host, '/function/a?b=c']))
  await sender.send(headTo('http://gateway:8080//127.0.0.1:1/'), Buffer.from('x'), never)
  assert.deepEqual(got.at(-1), ['gateway:8080', '//127.0.0.1:1/'])
  for (const url of ['http://127.0.0.1:1/', 'http://gateway:8081/', 'https://gateway:8080/', `http://127.0.0.2:${port}/`]) {
    assert.throws(() => sender.check(url), codeOf('FORBIDDEN'))
  }
  server.close()
  server.closeAllConnections()
})
