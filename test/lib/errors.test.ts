import * as assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { BrambleError, hasCode, httpStatusOf, reasonOf, type ErrorCode } from '../../platform/lib/errors.ts'
import { cases, test } from '../kit.ts'

const statuses: Readonly<Record<ErrorCode, number>> = {
  INVALID: 400, UNAUTHORIZED: 401, FORBIDDEN: 403, NOT_FOUND: 404, METHOD_NOT_ALLOWED: 405,
  REQUEST_TIMEOUT: 408, CONFLICT: 409, TOO_LARGE: 413, UNPROCESSABLE: 422, BUSY: 429, INTERNAL: 500,
  UNSUPPORTED: 501, UPSTREAM: 502, UNAVAILABLE: 503, TIMEOUT: 504,
}
const codes = Object.keys(statuses).filter((code): code is ErrorCode => Object.hasOwn(statuses, code))

cases('an error code has its HTTP status', codes.map((name) => ({ name })), ({ name }) => {
  assert.equal(httpStatusOf(new BrambleError(name, 'x')), statuses[name])
})

cases('what is not ours is a 500', [
  { name: 'an error', thrown: new Error('x') },
  { name: 'an error that carries a code of the same name', thrown: Object.assign(new Error('x'), { code: 'NOT_FOUND' }) },
  { name: 'a text', thrown: 'NOT_FOUND' },
  { name: 'nothing', thrown: undefined },
], ({ thrown }) => assert.equal(httpStatusOf(thrown), 500))

test('an error keeps its cause and its name', () => {
  const cause = new Error('first')
  const error = new BrambleError('UPSTREAM', 'second', { cause })
  assert.equal(error.cause, cause)
  assert.equal(error.name, 'BrambleError')
  assert.ok(error instanceof Error)
})

cases('a reason comes out of anything thrown', [
  { name: 'an error', thrown: new Error('disk full'), reason: 'disk full' },
  { name: 'an error without words', thrown: new TypeError(''), reason: 'TypeError' },
  { name: 'several errors in one', thrown: new AggregateError([new Error('refused'), new Error('late')]), reason: 'refused' },
  { name: 'several errors in one, but none', thrown: new AggregateError([], 'nobody'), reason: 'nobody' },
  { name: 'a text', thrown: 'plain', reason: 'plain' },
  { name: 'nothing', thrown: undefined, reason: 'undefined' },
], ({ thrown, reason }) => assert.equal(reasonOf(thrown), reason))

test('a system error is known by its code', async () => {
  const error: unknown = await readFile('/nowhere/at/all').catch((thrown: unknown) => thrown)
  assert.equal(hasCode(error, 'ENOENT'), true)
  assert.equal(hasCode(error, 'EACCES'), false)
  assert.equal(hasCode({ code: 'ENOENT' }, 'ENOENT'), false)
  assert.equal(hasCode(undefined, 'ENOENT'), false)
})
