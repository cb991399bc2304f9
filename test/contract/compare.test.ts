import * as assert from 'node:assert/strict'
import { cases, test } from '../kit.ts'
import { differences } from './compare.ts'
import { fillRequest, loadServerScenarios, type RecordedResponse } from './scenario.ts'

const status = { name: 'hello', image: 'a/hello', labels: {}, annotations: {}, createdAt: '2025-01-02T03:04:05Z' }

type Case = {
  readonly name: string
  readonly recorded: RecordedResponse
  readonly answer: { readonly status?: number; readonly headers?: Record<string, string>; readonly body?: string }
}

const bad: readonly Case[] = [
  { name: 'another status', recorded: { status: 202, match: 'empty' }, answer: { status: 200 } },
  { name: 'a body where there must be none', recorded: { status: 200, match: 'empty' }, answer: { body: 'x' } },
  { name: 'no text', recorded: { status: 404, match: 'text' }, answer: { status: 404, body: ' \n' } },
  { name: 'other bytes', recorded: { status: 200, match: 'exact', body: 'POST /\n' }, answer: { body: 'POST /' } },
  { name: 'no JSON', recorded: { status: 200, match: 'json', body: [] }, answer: { body: 'oops' } },
  { name: 'an object for a list', recorded: { status: 200, match: 'json', body: [] }, answer: { body: '{}' } },
  { name: 'an entry too many', recorded: { status: 200, match: 'json', body: [] }, answer: { body: '["a"]' } },
  { name: 'the same entry twice', recorded: { status: 200, match: 'json', body: ['a', 'b'] }, answer: { body: '["a","a"]' } },
  { name: 'a missing key', recorded: { status: 200, match: 'json', body: { a: 1, b: 2 } }, answer: { body: '{"a":1}' } },
  { name: 'another value deep inside', recorded: { status: 200, match: 'json', body: [{ a: { b: [1, 2] } }] }, answer: { body: '[{"a":{"b":[1,3]}}]' } },
  { name: 'a shorter list inside', recorded: { status: 200, match: 'json', body: { a: [1, 2] } }, answer: { body: '{"a":[1]}' } },
  { name: 'another time', recorded: { status: 200, match: 'json', body: status }, answer: { body: JSON.stringify({ ...status, createdAt: '2025-01-02T03:04:06Z' }) } },
  { name: 'a missing line', recorded: { status: 200, match: 'ndjson', body: [{ text: 'a' }, { text: 'b' }] }, answer: { body: '{"text":"a"}\n' } },
  { name: 'another media type', recorded: { status: 200, match: 'empty', headers: { 'content-type': 'text/plain' } }, answer: { headers: { 'content-type': 'text/html' } } },
  { name: 'another challenge', recorded: { status: 401, match: 'text', headers: { 'www-authenticate': 'Basic realm="Restricted"' } }, answer: { status: 401, body: 'x', headers: { 'www-authenticate': 'Basic realm="x"' } } },
  { name: 'no call id', recorded: { status: 200, match: 'empty', headers: { 'x-call-id': '{uuid}' } }, answer: {} },
  { name: 'a start time in milliseconds', recorded: { status: 200, match: 'empty', headers: { 'x-start-time': '{nanoseconds}' } }, answer: { headers: { 'x-start-time': '1735787045000' } } },
  { name: 'empty limits in a status', recorded: { status: 200, match: 'json', body: status }, answer: { body: JSON.stringify({ ...status, limits: {} }) } },
  { name: 'empty variables in a list of statuses', recorded: { status: 200, match: 'json', body: [status] }, answer: { body: JSON.stringify([{ ...status, envVars: {} }]) } },
  { name: 'null labels', recorded: { status: 200, match: 'json', body: { name: 'hello' } }, answer: { body: JSON.stringify({ ...status, labels: null }) } },
]

cases('a wrong answer is noticed', bad, ({ recorded, answer }) => {
  assert.notDeepEqual(compare(recorded, answer), [])
})

const good: readonly Case[] = [
  { name: 'another status that the CLI treats alike', recorded: { status: 400, statusAlso: [404], match: 'text' }, answer: { status: 404, body: 'no' } },
  { name: 'another wording', recorded: { status: 404, match: 'text', body: 'not found' }, answer: { status: 404, body: 'no such function' } },
  { name: 'more keys', recorded: { status: 200, match: 'json', body: { a: 1 } }, answer: { body: '{"a":1,"b":2}' } },
  { name: 'another order of the outer list', recorded: { status: 200, match: 'json', body: ['a', 'b'] }, answer: { body: '["b","a"]' } },
  { name: 'the same time with milliseconds', recorded: { status: 200, match: 'json', body: status }, answer: { body: JSON.stringify({ ...status, createdAt: '2025-01-02T03:04:05.000Z' }) } },
  { name: 'another parameter of the media type', recorded: { status: 200, match: 'empty', headers: { 'content-type': 'text/plain; charset=utf-8' } }, answer: { headers: { 'content-type': 'text/plain' } } },
]

cases('a right answer is accepted', good, ({ recorded, answer }) => assert.deepEqual(compare(recorded, answer), []))

test('a loose field must still be of its kind', () => {
  const recorded: RecordedResponse = { status: 200, match: 'json', body: { usage: { cpu: 1.5 }, createdAt: '2025-01-02T03:04:05Z' } }
  const loose = new Set(['usage', 'createdAt'])
  const check = (body: unknown): string[] => differences(recorded, { status: 200, headers: {}, body: Buffer.from(JSON.stringify(body)) }, loose)
  assert.deepEqual(check({ usage: { cpu: 7 }, createdAt: '2026-01-01T00:00:00.5+01:00' }), [])
  assert.notDeepEqual(check({ usage: { cpu: '7' }, createdAt: '2026-01-01T00:00:00Z' }), [])
  assert.notDeepEqual(check({ usage: {}, createdAt: '2026-01-01T00:00:00Z' }), [])
  assert.notDeepEqual(check({ usage: { cpu: 7 }, createdAt: 'yesterday' }), [])
  assert.notDeepEqual(check({ usage: { cpu: 7 } }), [])
})

test('there are 150 scenarios to replay', () => assert.equal(loadServerScenarios().length, 150))

test('placeholders of a request are filled in', () => {
  const filled = fillRequest({
    method: 'GET', path: '/a?since={rfc3339}&also={rfc3339%2B05%3A30}',
    headers: { authorization: 'Basic {credentials}', 'user-agent': 'faas-cli/* (openfaas; *; *)', referer: '{gateway}/x' },
  }, 'http://127.0.0.1:1', new Date('2025-01-01T22:05:00Z'))
  assert.equal(filled.path, '/a?since=2025-01-01T22:00:00Z&also=2025-01-02T03:30:00%2B05%3A30')
  assert.deepEqual(filled.headers, {
    authorization: 'Basic YWRtaW46Zml4dHVyZS1wYXNzd29yZA==', 'user-agent': 'faas-cli/1 (openfaas; 1; 1)', referer: 'http://127.0.0.1:1/x',
  })
  assert.throws(() => fillRequest({ method: 'GET', path: '/{nobody}', headers: {} }, 'http://a'), /placeholder/)
})

function compare(recorded: RecordedResponse, { status = 200, headers = {}, body = '' }: Case['answer']): string[] {
  return differences(recorded, { status, headers, body: Buffer.from(body) })
}
