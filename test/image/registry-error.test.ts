import * as assert from 'node:assert/strict'
import { connectionError, isFull, isPassing, refusalError } from '../../platform/image/registry-error.ts'
import { cases, test } from '../kit.ts'

const asked = { registry: 'registry.local:5000', purpose: 'push the layer sha256:abc to team/hello' }
const known = { ...asked, credentialOrigin: '/home/ann/.docker/config.json' }
const errors = (code: string, message = '', detail: unknown = null): string => JSON.stringify({ errors: [{ code, message, detail }] })

cases('a refusal is explained', [
  { name: '401 without credentials', status: 401, body: errors('UNAUTHORIZED'), asked, code: 'UNAUTHORIZED', says: /none is known: run "docker login registry\.local:5000", or name a file with --registry-auth/ },
  { name: '401 with credentials', status: 401, body: '', asked: known, code: 'UNAUTHORIZED', says: /refuses the credentials from \/home\/ann/ },
  { name: '403', status: 403, body: errors('DENIED', 'not yours'), asked: known, code: 'FORBIDDEN', says: /does not let the credentials from .* push the layer .*: not yours \(status 403\)/ },
  { name: '507', status: 507, body: '', asked, code: 'UNAVAILABLE', says: /registry registry\.local:5000 is full.*bramble images prune/ },
  { name: 'ENOSPC as docker-registry has it', status: 500, body: errors('UNKNOWN', 'unknown error', { DriverName: 'filesystem', Enclosed: { Op: 'write', Path: '/data', Err: 28 } }), asked, code: 'UNAVAILABLE', says: /is full/ },
  { name: 'an unknown repository', status: 404, body: errors('NAME_UNKNOWN'), asked, code: 'NOT_FOUND', says: /knows no such repository/ },
  { name: 'an unknown tag', status: 404, body: errors('MANIFEST_UNKNOWN'), asked, code: 'NOT_FOUND', says: /no such image.*check its tag/ },
  { name: 'a limit of a proxy, with a page', status: 413, body: '<html><h1>413</h1></html>', asked, code: 'TOO_LARGE', says: /raise the body limit .*\(status 413\)/ },
  { name: '429', status: 429, body: errors('TOOMANYREQUESTS', 'slow down'), asked, code: 'BUSY', says: /asked too often.*slow down/ },
  { name: '503', status: 503, body: 'upstream\x1b[31m gone', asked, code: 'UPSTREAM', says: /failed, trying to push the layer sha256:abc to team\/hello: upstream \[31m gone \(status 503\)/ },
  { name: '405', status: 405, body: errors('UNSUPPORTED', 'The operation is unsupported.'), asked, code: 'UNSUPPORTED', says: /does not allow to push/ },
] as const, ({ status, body, asked: about, code, says }) => {
  const error = refusalError({ status, body }, about)
  assert.equal(error.code, code)
  assert.match(error.message, says)
})

const failing = (code: string, message = code): Error => Object.assign(new Error(message), { code })
cases('a failed connection is explained', [
  { name: 'an unknown authority', error: failing('UNABLE_TO_VERIFY_LEAF_SIGNATURE'), says: /not trusted here: name the file of its certificate authority with --registry-ca FILE \(or registry_ca_file\)/, passes: false },
  { name: 'another name', error: failing('ERR_TLS_CERT_ALTNAME_INVALID', 'not in altnames'), says: /is for another name/, passes: false },
  { name: 'a clock that is wrong', error: failing('CERT_NOT_YET_VALID'), says: /set the clock/, passes: false },
  { name: 'no TLS', error: failing('EPROTO'), says: /does not speak TLS.*--insecure-registry registry\.local:5000/, passes: false },
  { name: 'nobody there', error: new AggregateError([failing('ECONNREFUSED')]), says: /cannot be reached: the connection is refused/, passes: false },
  { name: 'no such name', error: failing('ENOTFOUND'), says: /its name is not known/, passes: false },
  { name: 'a cut', error: failing('ECONNRESET'), says: /was cut, trying to push/, passes: true },
], ({ error, says, passes }) => {
  const told = connectionError(error, asked)
  assert.match(told.message, says)
  if (passes) assert.ok(isPassing(error) && isPassing(told))
})

test('a refused connection may pass: a registry restarts', () => {
  assert.ok(isPassing(failing('ECONNREFUSED')))
  assert.ok(isPassing(connectionError(failing('ECONNREFUSED'), asked)))
  assert.ok(!isPassing(connectionError(failing('CERT_HAS_EXPIRED'), asked)))
})

test('a success that speaks of space is not full', () => {
  assert.equal(isFull(200, 'no space left on device'), false)
  assert.equal(isFull(500, 'no space left on device'), true)
  assert.equal(isFull(500, '"Err":281'), false)
})
