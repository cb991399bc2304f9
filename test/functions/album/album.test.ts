/** The album against a gateway with the real cache behind it and a small stand-in for files and auth; with all of them: test/e2e/album.test.ts. */
import * as assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, request as requestOf, type IncomingMessage, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { cases, eventually, test } from '../../kit.ts'
import { startFunction } from '../../start-function.ts'
import { startCache, TOKEN } from '../cache/started-cache.ts'

const ISSUER = 'http://127.0.0.1:8080/function/auth'
const keys = await generateKeyPair('EdDSA', { extractable: true })
const others = await generateKeyPair('EdDSA', { extractable: true })
const HOUR_SECONDS = 3600

type Token = { readonly sub?: string; readonly typ?: string; readonly issuer?: string; readonly audience?: string; readonly lifeSeconds?: number; readonly key?: CryptoKey; readonly kid?: string | undefined; readonly more?: Readonly<Record<string, unknown>> }

function tokenOf({ sub = 'usr_ada', typ = 'at+jwt', issuer = ISSUER, audience = 'bramble', lifeSeconds = HOUR_SECONDS, key = keys.privateKey, more = {}, ...rest }: Token = {}): Promise<string> {
  const nowSeconds = Math.floor(Date.now() / 1000)
  const kid = 'kid' in rest ? rest.kid : 'one'
  return new SignJWT({ sub, ...more }).setProtectedHeader({ alg: 'EdDSA', typ, ...(kid !== undefined && { kid }) }).setIssuer(issuer).setAudience(audience)
    .setIssuedAt(nowSeconds).setExpirationTime(nowSeconds + lifeSeconds).sign(key)
}

async function startWorld() {
  const cache = await startCache()
  const folder = await mkdtemp(join(tmpdir(), 'bramble-album-'))
  await writeFile(join(folder, 'service-token'), TOKEN)
  const jwk = { ...await exportJWK(keys.publicKey), kid: 'one', alg: 'EdDSA', use: 'sig' }
  /** Names of photos, by the token that was shown. */
  const photos = new Map<string, Set<string>>()
  const jobs: unknown[] = []
  const emptied: string[] = []
  const away = new Set<string>()
  let lists = 0

  const files = async (request: IncomingMessage, response: ServerResponse, path: string): Promise<void> => {
    const mine = photos.get(request.headers.authorization ?? '') ?? new Set()
    photos.set(request.headers.authorization ?? '', mine)
    const name = /^\/v1\/files\/photos\/([^/?]+)$/.exec(path)?.[1]
    if (path.startsWith('/v1/list')) {
      lists++
      const items = [...mine].map((one) => ({ name: one, size: 1, content_type: one.endsWith('.txt') ? 'text/plain' : 'image/jpeg', created_at: '2026-01-01T00:00:00Z', version: 2, thumbnail: true }))
      return void response.end(JSON.stringify({ items }))
    }
    if (path.startsWith('/v1/trash')) {
      emptied.push(`${request.headers.authorization} ${path}`)
      return void response.writeHead(204).end()
    }
    const body = await text(request)
    if (body === 'too much') return void response.writeHead(413, { 'content-type': 'application/problem+json' }).end('{"code":"quota_exceeded"}')
    if (request.method === 'PUT') mine.add(decodeURIComponent(name ?? ''))
    else mine.delete(decodeURIComponent(name ?? ''))
    response.writeHead(request.method === 'PUT' ? 201 : 204).end()
  }
  const gateway = createServer((request, response) => {
    const [, service = '', path = ''] = /^\/function\/([a-z]+)(.*)$/.exec(request.url ?? '') ?? []
    if (away.has(service)) return void response.destroy()
    if (service === 'cache') {
      const onward = requestOf(cache.process.url + path, { method: request.method ?? 'GET', headers: request.headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers)
        answer.pipe(response)
      })
      return void request.pipe(onward)
    }
    if (service === 'auth' && path === '/oauth/jwks') return void response.end(JSON.stringify({ keys: [jwk] }))
    if (service === 'auth') return void response.end(JSON.stringify({ items: [{ id: 'usr_ada' }, { id: 'usr_bob' }] }))
    if (service === 'files') return void files(request, response, path)
    void text(request).then((body) => {
      jobs.push(JSON.parse(body))
      response.writeHead(jobs.length === 1 ? 500 : 201).end('{"id":"job_1"}')
    })
  }).listen(0, '127.0.0.1')
  await once(gateway, 'listening')
  const address = gateway.address()
  const fn = await startFunction('album', { secret_mount_path: folder, gateway_url: `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}` })
  return {
    fn, jobs, emptied, away, lists: () => lists,
    call: (method: string, path: string, token: string, init: RequestInit = {}) =>
      fetch(fn.url + path, { ...init, method, headers: { ...init.headers, authorization: `Bearer ${token}` } }),
    async [Symbol.asyncDispose]() {
      await fn[Symbol.asyncDispose]()
      await cache[Symbol.asyncDispose]()
      gateway.close().closeAllConnections()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

const jpeg = { headers: { 'content-type': 'image/jpeg' }, body: 'a photo' }
const namesIn = async (answer: Response): Promise<string[]> => JSON.parse(await answer.text()).items.map(({ name }: { name: string }) => name)

test('a list comes out of the cache until its owner changes something, and everybody has their own', async () => {
  await using world = await startWorld()
  const [ada, bob] = [await tokenOf(), await tokenOf({ sub: 'usr_bob' })]
  assert.deepEqual(await namesIn(await world.call('GET', '/photos', ada)), [])
  assert.equal((await world.call('PUT', '/photos/a%20b%25.jpg', ada, jpeg)).status, 201)
  const [first, second] = [await world.call('GET', '/photos', ada), await world.call('GET', '/photos', ada)]
  assert.deepEqual([first.headers.get('cache-status'), second.headers.get('cache-status')], ['album; fwd=miss', 'album; hit'])
  assert.deepEqual([await namesIn(first), await namesIn(second), world.lists()], [['a b%.jpg'], ['a b%.jpg'], 2])
  assert.deepEqual(JSON.parse(await (await world.call('GET', '/photos', ada)).text()).items[0], { name: 'a b%.jpg', created_at: '2026-01-01T00:00:00Z', version: 2, size: 1, thumbnail: true })
  assert.deepEqual(await namesIn(await world.call('GET', '/photos', bob)), [])
  assert.equal((await world.call('DELETE', '/photos/a%20b%25.jpg', ada)).status, 204)
  assert.deepEqual(await namesIn(await world.call('GET', '/photos', ada)), [])
})

test('of many who ask at once for a list that nobody has, one makes it', async () => {
  await using world = await startWorld()
  const ada = await tokenOf()
  await Promise.all(Array.from({ length: 20 }, async () => assert.equal((await world.call('GET', '/photos', ada)).status, 200)))
  assert.equal(world.lists(), 1)
})

test('only images are listed and taken, and what the files service refuses is told as it says it', async () => {
  await using world = await startWorld()
  const ada = await tokenOf()
  await world.call('PUT', '/photos/a.txt', ada, jpeg)
  assert.deepEqual(await namesIn(await world.call('GET', '/photos', ada)), [])
  for (const type of ['text/html', 'image/svg+xml']) {
    assert.equal((await world.call('PUT', '/photos/a.txt', ada, { ...jpeg, headers: { 'content-type': type } })).status, 415)
  }
  const full = await world.call('PUT', '/photos/b.jpg', ada, { ...jpeg, body: 'too much' })
  assert.deepEqual([full.status, full.headers.get('content-type'), await full.text()], [413, 'application/problem+json', '{"code":"quota_exceeded"}'])
  for (const [path, status] of [['/photos/%E0%A4%A', 400], ['/photos/a%2Fb.jpg', 400], ['/photos/a/b', 404], ['/other', 404]] as const) {
    assert.equal((await world.call('PUT', path, ada, jpeg)).status, status, path)
  }
})

test('a cache that is away costs no answer, a files service that is away is one for later', async () => {
  await using world = await startWorld()
  const ada = await tokenOf()
  world.away.add('cache')
  assert.equal((await world.call('PUT', '/photos/a.jpg', ada, jpeg)).status, 201)
  assert.deepEqual(await namesIn(await world.call('GET', '/photos', ada)), ['a.jpg'])
  world.away.add('files')
  assert.equal((await world.call('GET', '/photos', ada)).status, 503)
  assert.equal((await world.call('PUT', '/photos/a.jpg', ada, jpeg)).status, 503)
})

test('without keys to check a token with nobody is let in, and nobody is told to log in again', async () => {
  await using world = await startWorld()
  world.away.add('auth')
  assert.equal((await world.call('GET', '/photos', await tokenOf())).status, 503)
  world.away.clear()
  assert.equal((await world.call('GET', '/photos', await tokenOf())).status, 200)
})

let shared: ReturnType<typeof startWorld> | undefined

test('the clock of this board may be a little ahead, as that of the files service may', async () => {
  const world = await (shared ??= startWorld())
  assert.equal((await world.call('GET', '/photos', await tokenOf({ lifeSeconds: -2 }))).status, 200)
})

test('a token is shown as a bearer token, to every call', async () => {
  const world = await (shared ??= startWorld())
  for (const [method, path, token] of [['GET', '/photos', await tokenOf()], ['POST', '/clean-up', TOKEN]] as const) {
    for (const authorization of [token, `Basic ${token}`, `Bearer ${token} ${token}`]) {
      assert.equal((await fetch(world.fn.url + path, { method, headers: { authorization } })).status, 401, `${path} ${authorization.slice(0, 10)}`)
    }
  }
})

cases('nobody gets a list with', [
  { name: 'no token', token: async () => '' },
  { name: 'garbage', token: async () => 'a.b.c' },
  { name: 'the service token', token: async () => TOKEN },
  { name: 'a token that another key signed', token: () => tokenOf({ key: others.privateKey }) },
  { name: 'a token that is over', token: () => tokenOf({ lifeSeconds: -60 }) },
  { name: 'a token of another issuer', token: () => tokenOf({ issuer: 'http://elsewhere.example' }) },
  { name: 'a token for another audience', token: () => tokenOf({ audience: 'other' }) },
  { name: 'an ID token', token: () => tokenOf({ typ: 'JWT' }) },
  { name: 'a token that names no key', token: () => tokenOf({ kid: undefined }) },
  { name: 'a token that is longer than any of auth', token: () => tokenOf({ more: { much: 'x'.repeat(4096) } }) },
  { name: 'a token of somebody whom files would not know', token: () => tokenOf({ sub: 'ada/bob' }) },
  { name: 'a token without a signature', token: async () => `${Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url')}.${(await tokenOf()).split('.')[1]}.` },
], async ({ token }) => {
  const world = await (shared ??= startWorld())
  for (const [method, path] of [['GET', '/photos'], ['PUT', '/photos/a.jpg'], ['DELETE', '/photos/a.jpg']] as const) {
    assert.equal((await world.call(method, path, await token(), method === 'PUT' ? jpeg : {})).status, 401, `${method} ${path}`)
  }
})

test('the nightly job is made by itself, and only services start it', async () => {
  const world = await (shared ??= startWorld())
  await eventually('the job is made at the second try', () => world.jobs.length === 2)
  assert.deepEqual(world.jobs[1], {
    name: 'album: clean-up', unique_key: 'album-clean-up', target: { function: 'album', path: '/clean-up' }, cron: { pattern: '0 3 * * *', timezone: 'UTC' },
  })
  assert.equal((await world.call('POST', '/clean-up', await tokenOf())).status, 401)
  assert.deepEqual(world.emptied, [])
  const answer = await world.call('POST', '/clean-up', TOKEN)
  assert.deepEqual([answer.status, await answer.json()], [200, { people: 2 }])
  assert.deepEqual(world.emptied, ['usr_ada', 'usr_bob'].map((owner) => `Bearer ${TOKEN} /v1/trash?folder=photos&owner=${owner}`))
  world.away.add('files')
  assert.equal((await world.call('POST', '/clean-up', TOKEN)).status, 503)
})

test('the page has a policy that lets nothing in from elsewhere', async () => {
  await using world = await (shared ?? startWorld())
  const answer = await fetch(world.fn.url)
  assert.match(answer.headers.get('content-security-policy') ?? '', /^default-src 'none'; style-src 'sha256-[^']+'; script-src 'sha256-[^']+'; connect-src 'self';/)
  assert.match(await answer.text(), /^<!doctype html>/)
})
