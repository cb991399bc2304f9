import * as assert from 'node:assert/strict'
import { BrambleError } from '../../platform/lib/errors.ts'
import {
  checkDnsLabel, checkSecretName, isDnsLabel, serviceName, splitServiceName,
} from '../../platform/openfaas/names.ts'
import { cases, test } from '../kit.ts'

const labels: readonly { name: string; text: string; isValid: boolean }[] = [
  { name: 'one letter', text: 'a', isValid: true },
  { name: 'one digit', text: '7', isValid: true },
  { name: 'letters, digits and dashes', text: 'a-b--c9', isValid: true },
  { name: '63 characters', text: 'a'.repeat(63), isValid: true },
  { name: '64 characters', text: 'a'.repeat(64), isValid: false },
  { name: 'nothing', text: '', isValid: false },
  { name: 'a capital', text: 'Hello', isValid: false },
  { name: 'a dash first', text: '-a', isValid: false },
  { name: 'a dash last', text: 'a-', isValid: false },
  { name: 'a dot', text: 'a.b', isValid: false },
  { name: 'an underscore', text: 'a_b', isValid: false },
  { name: 'a slash', text: 'a/b', isValid: false },
  { name: 'two dots', text: '..', isValid: false },
  { name: 'a line end last', text: 'a\n', isValid: false },
  { name: 'a NUL', text: 'a\0', isValid: false },
  { name: 'a letter that only looks like one', text: 'а', isValid: false },
  { name: 'a long hostile text', text: `${'a-'.repeat(50_000)}!`, isValid: false },
]

cases('a function name is a DNS label', labels, ({ text, isValid }) => {
  assert.equal(isDnsLabel(text), isValid)
  if (isValid) assert.equal(checkDnsLabel(text, 'function name'), text)
  else assert.throws(() => checkDnsLabel(text, 'function name'), isInvalid(/^function name ".*is not valid/s))
})

test('the refusal of a long name does not repeat all of it', () => {
  assert.throws(() => checkDnsLabel('x'.repeat(10_000), 'function name'),
    (error) => error instanceof BrambleError && error.message.length < 300)
})

cases('a secret name is a DNS subdomain', [
  { name: 'a label', text: 'api-key', isValid: true },
  { name: 'labels with dots', text: 'tls.crt.2', isValid: true },
  { name: '253 characters', text: 'a'.repeat(253), isValid: true },
  { name: '254 characters', text: 'a'.repeat(254), isValid: false },
  { name: 'nothing', text: '', isValid: false },
  { name: 'the folder above', text: '..', isValid: false },
  { name: 'a dot first', text: '.a', isValid: false },
  { name: 'a dot last', text: 'a.', isValid: false },
  { name: 'two dots in a row', text: 'a..b', isValid: false },
  { name: 'a path', text: 'a/b', isValid: false },
  { name: 'a backslash', text: 'a\\b', isValid: false },
  { name: 'a capital', text: 'API', isValid: false },
  { name: 'an underscore', text: 'api_key', isValid: false },
  { name: 'a NUL', text: 'a\0b', isValid: false },
], ({ text, isValid }) => {
  if (isValid) assert.equal(checkSecretName(text), text)
  else assert.throws(() => checkSecretName(text), isInvalid(/^secret name "/))
})

cases('a service name splits at its last dot', [
  { name: 'no dot', text: 'hello', to: ['hello', 'openfaas-fn'] },
  { name: 'one dot', text: 'hello.staging', to: ['hello', 'staging'] },
  { name: 'two dots', text: 'web.staging.openfaas-fn', to: ['web.staging', 'openfaas-fn'] },
  { name: 'an empty name', text: '.openfaas-fn', to: ['', 'openfaas-fn'] },
  { name: 'an empty namespace', text: 'hello.', to: ['hello', ''] },
  { name: 'nothing', text: '', to: ['', 'openfaas-fn'] },
], ({ text, to }) => {
  const { name, namespace } = splitServiceName(text)
  assert.deepEqual([name, namespace], to)
})

test('a service name always carries its namespace', () => {
  assert.equal(serviceName({ name: 'hello', namespace: 'staging' }), 'hello.staging')
})

function isInvalid(message: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof BrambleError && error.code === 'INVALID' && message.test(error.message)
}
