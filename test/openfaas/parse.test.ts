import * as assert from 'node:assert/strict'
import { BrambleError } from '../../platform/lib/errors.ts'
import {
  parseDeletion, parseDeployment, parseNamespace, parseNamespaceName, parseScale, parseSecret, parseSecretRef,
} from '../../platform/openfaas/parse.ts'
import { cases, test } from '../kit.ts'

const least = { service: 'hello', image: 'registry.local:5000/me/hello:0.1' }
const nothingSet = { envVars: {}, constraints: [], secrets: [], labels: {}, annotations: {} }

test('the least deployment gets the default namespace and empty maps', () => {
  assert.deepEqual(parseDeployment(least),
    { name: 'hello', namespace: 'openfaas-fn', image: least.image, ...nothingSet })
})

test('a deployment that uses everything keeps everything', () => {
  const body = {
    ...least,
    namespace: 'staging',
    envProcess: 'node index.js',
    envVars: { a: 'from-file', 'b.c-d_e': 'two\nlines', F: '' },
    constraints: ['node.kubernetes.io/instance-type=zero2', 'a==b', 'empty='],
    secrets: ['db-password', 'tls.crt'],
    labels: { 'com.openfaas.scale.min': '2', 'com.openfaas.scale.max': '5' },
    annotations: { topic: 'cron-function', schedule: '*/5 * * * *' },
    limits: { memory: '64Mi', cpu: '200m', 'nvidia.com/gpu': '1' },
    requests: { memory: '32Mi', cpu: '0.05' },
    readOnlyRootFilesystem: true,
  }
  const { service: name, ...rest } = body
  assert.deepEqual(parseDeployment(body), { name, ...rest })
})

test('what is null, empty or unknown is as if it were absent', () => {
  assert.deepEqual(parseDeployment({
    ...least, namespace: '', envProcess: '', envVars: null, constraints: null, secrets: null, labels: null,
    annotations: null, limits: null, requests: {}, readOnlyRootFilesystem: null, network: 'x', registryAuth: 'y',
  }), { name: 'hello', namespace: 'openfaas-fn', image: least.image, ...nothingSet })
  assert.deepEqual(parseDeployment({ ...least, limits: { memory: '', cpu: '' } }).limits, undefined)
})

test('readOnlyRootFilesystem: false stays, as it was said', () => {
  assert.equal(parseDeployment({ ...least, readOnlyRootFilesystem: false }).readOnlyRootFilesystem, false)
})

test('a key called __proto__ is a key like any other', () => {
  const spec = parseDeployment(JSON.parse(
    '{"service":"hello","image":"a/hello","labels":{"__proto__":"x"},"envVars":{"__proto__":"y"},"__proto__":{"image":"z"}}'))
  assert.deepEqual(Object.entries(spec.labels), [['__proto__', 'x']])
  assert.deepEqual(Object.entries(spec.envVars), [['__proto__', 'y']])
  assert.equal(spec.image, 'a/hello')
  assert.equal(Object.getPrototypeOf(spec.labels), Object.prototype)
})

cases('an image reference is taken as it is', [
  { name: 'a name', image: 'hello' },
  { name: 'a name and a tag', image: 'hello:latest' },
  { name: 'a path', image: 'theaxer/redirector:latest' },
  { name: 'a registry', image: 'ghcr.io/openfaas/alpine:latest' },
  { name: 'a registry with a port', image: 'registry.local:5000/me/hello:0.1' },
  { name: 'an address as registry', image: '192.0.2.7:5000/hello' },
  { name: 'a digest', image: `hello@sha256:${'a'.repeat(64)}` },
  { name: 'a tag and a digest', image: `me/hello:1.0@sha256:${'0'.repeat(64)}` },
  { name: 'separators', image: 'a__b/c.d/e--f:V_1.0-x' },
], ({ image }) => assert.equal(parseDeployment({ ...least, image }).image, image))

cases('what is no image reference is refused', [
  { name: 'none', image: undefined },
  { name: 'an empty one', image: '' },
  { name: 'a capital in the path', image: 'me/Hello' },
  { name: 'a space', image: 'he llo' },
  { name: 'a folder above', image: '../hello' },
  { name: 'a folder above in the middle', image: 'a/../hello' },
  { name: 'an absolute path', image: '/etc/passwd' },
  { name: 'a slash last', image: 'hello/' },
  { name: 'two slashes', image: 'a//b' },
  { name: 'an empty tag', image: 'hello:' },
  { name: 'two tags', image: 'me/hello:1:2' },
  { name: 'a tag that is too long', image: `hello:${'a'.repeat(129)}` },
  { name: 'a short digest', image: 'hello@sha256:abc' },
  { name: 'an address with its scheme', image: 'https://registry.local/hello' },
  { name: 'a line end', image: 'hello\n' },
  { name: 'a NUL', image: 'hello\0' },
  { name: 'a long one', image: `a/${'b'.repeat(600)}` },
  { name: 'a hostile one', image: `${'a-'.repeat(250)}!` },
], ({ image }) => {
  const startedAt = performance.now()
  refuses(() => parseDeployment({ ...least, image }), 'image')
  assert.ok(performance.now() - startedAt < 100, 'refused at once')
})

cases('a deployment that makes no sense is refused by the culprit', [
  { name: 'no object', body: undefined, says: 'the request body must be a JSON object' },
  { name: 'null', body: null, says: 'JSON object' },
  { name: 'a list', body: [least], says: 'JSON object' },
  { name: 'a text', body: 'hello', says: 'JSON object' },
  { name: 'no name', body: { image: 'a' }, says: 'function name' },
  { name: 'a name that is no text', body: { ...least, service: 7 }, says: 'service must be a text' },
  { name: 'a bad name', body: { ...least, service: 'Hello' }, says: 'function name "Hello"' },
  { name: 'a name with a dot', body: { ...least, service: 'a.b' }, says: 'function name "a.b"' },
  { name: 'an image that is no text', body: { ...least, image: {} }, says: 'image must be a text' },
  { name: 'a bad namespace', body: { ...least, namespace: '../x' }, says: 'namespace "../x"' },
  { name: 'labels that are a list', body: { ...least, labels: [] }, says: 'labels must be a JSON object' },
  { name: 'a label that is no text', body: { ...least, labels: { a: 1 } }, says: 'labels: the value of "a"' },
  { name: 'an annotation that is null', body: { ...least, annotations: { a: null } }, says: 'annotations: the value of "a"' },
  { name: 'a bad scaling label', body: { ...least, labels: { 'com.openfaas.scale.min': 'x' } }, says: 'com.openfaas.scale.min' },
  { name: 'a variable with =', body: { ...least, envVars: { 'a=b': '1' } }, says: '"a=b"' },
  { name: 'a variable without a name', body: { ...least, envVars: { '': '1' } }, says: 'environment variable name' },
  { name: 'a variable with a NUL', body: { ...least, envVars: { a: 'x\0y' } }, says: 'NUL' },
  { name: 'a process with a NUL', body: { ...least, envProcess: 'node\0' }, says: 'NUL' },
  { name: 'constraints that are a text', body: { ...least, constraints: 'a=b' }, says: 'constraints must be a list' },
  { name: 'a constraint without =', body: { ...least, constraints: ['fast'] }, says: 'constraint "fast"' },
  { name: 'secrets that are a map', body: { ...least, secrets: { a: 'b' } }, says: 'secrets must be a list' },
  { name: 'a secret that is no text', body: { ...least, secrets: [1] }, says: 'secrets must be a list of texts' },
  { name: 'a secret outside its folder', body: { ...least, secrets: ['../key'] }, says: 'secret name "../key"' },
  { name: 'a bad amount of memory', body: { ...least, limits: { memory: 'lots' } }, says: 'limits.memory' },
  { name: 'a bad amount of CPU', body: { ...least, requests: { cpu: 'fast' } }, says: 'requests.cpu' },
  { name: 'a part of a graphics card', body: { ...least, limits: { 'nvidia.com/gpu': '0.5' } }, says: 'nvidia.com/gpu' },
  { name: 'limits that are numbers', body: { ...least, limits: { memory: 64 } }, says: 'limits' },
  { name: 'a flag that is a text', body: { ...least, readOnlyRootFilesystem: 'true' }, says: 'readOnlyRootFilesystem' },
], ({ body, says }) => refuses(() => parseDeployment(body), says))

cases('a deletion names its function', [
  { name: 'in the default namespace', body: { functionName: 'a' }, query: undefined, ref: ['a', 'openfaas-fn'] },
  { name: 'by the body', body: { functionName: 'a', namespace: 'b' }, query: undefined, ref: ['a', 'b'] },
  { name: 'by the query, as older clients do', body: { functionName: 'a' }, query: 'c', ref: ['a', 'c'] },
  { name: 'by the body before the query', body: { functionName: 'a', namespace: 'b' }, query: 'c', ref: ['a', 'b'] },
  { name: 'by the query when the body has an empty one', body: { functionName: 'a', namespace: '' }, query: 'c', ref: ['a', 'c'] },
], ({ body, query, ref }) => {
  const { name, namespace } = parseDeletion(body, query)
  assert.deepEqual([name, namespace], ref)
})

cases('a deletion that names none is refused', [
  { name: 'nothing', body: {}, query: undefined, says: 'functionName' },
  { name: 'an empty name', body: { functionName: '' }, query: undefined, says: 'functionName' },
  { name: 'a bad namespace in the query', body: { functionName: 'a' }, query: 'B', says: 'namespace "B"' },
  { name: 'no object', body: [], query: undefined, says: 'JSON object' },
], ({ body, query, says }) => refuses(() => parseDeletion(body, query), says))

cases('a scale request', [
  { name: 'to zero', body: { serviceName: 'a', replicas: 0 }, to: { ref: { name: 'a', namespace: 'openfaas-fn' }, replicas: 0 } },
  { name: 'without a name of its own', body: { replicas: 3 }, to: { ref: { name: 'a', namespace: 'openfaas-fn' }, replicas: 3 } },
  { name: 'in a namespace', body: { serviceName: 'a', replicas: 3, namespace: 'b' }, to: { ref: { name: 'a', namespace: 'b' }, replicas: 3 } },
], ({ body, to }) => assert.deepEqual(parseScale(body, 'a', undefined), to))

test('the namespace of a scale request may come in the query', () => {
  assert.equal(parseScale({ replicas: 1 }, 'a', 'staging').ref.namespace, 'staging')
})

cases('a scale request that makes no sense is refused', [
  { name: 'another function than the path', body: { serviceName: 'b', replicas: 1 }, says: 'serviceName "b"' },
  { name: 'no replicas', body: { serviceName: 'a' }, says: 'replicas' },
  { name: 'a text', body: { replicas: '3' }, says: 'replicas' },
  { name: 'a fraction', body: { replicas: 1.5 }, says: 'replicas' },
  { name: 'less than none', body: { replicas: -1 }, says: 'replicas' },
  { name: 'more than a number holds', body: { replicas: 1e300 }, says: 'replicas' },
], ({ body, says }) => refuses(() => parseScale(body, 'a', undefined), says))

cases('the value of a secret', [
  { name: 'a text', body: { value: 'pässword\n' }, value: Buffer.from('pässword\n') },
  { name: 'bytes', body: { rawValue: '/wAB' }, value: Buffer.from([0xff, 0, 1]) },
  { name: 'padded bytes', body: { rawValue: 'aGk=' }, value: Buffer.from('hi') },
  { name: 'bytes before a text', body: { value: 'damaged', rawValue: 'aGkK' }, value: Buffer.from('hi\n') },
  { name: 'a text beside empty bytes', body: { value: 'v', rawValue: '' }, value: Buffer.from('v') },
], ({ body, value }) => {
  const secret = parseSecret({ name: 'api-key', ...body })
  assert.deepEqual({ ...secret, value: Buffer.from(secret.value) }, { name: 'api-key', namespace: 'openfaas-fn', value })
})

cases('a secret that makes no sense is refused', [
  { name: 'no name', body: { value: 'v' }, says: 'secret name' },
  { name: 'a path as name', body: { name: '../../etc/shadow', value: 'v' }, says: 'secret name' },
  { name: 'no value', body: { name: 'a' }, says: 'secret a has no value' },
  { name: 'an empty value', body: { name: 'a', value: '' }, says: 'secret a has no value' },
  { name: 'a value that is no text', body: { name: 'a', value: 7 }, says: 'value must be a text' },
  { name: 'bytes with a foreign character', body: { name: 'a', rawValue: 'a-_=' }, says: 'not base64' },
  { name: 'bytes that are cut short', body: { name: 'a', rawValue: 'aGk' }, says: 'not base64' },
  { name: 'padding alone', body: { name: 'a', rawValue: '==' }, says: 'not base64' },
  { name: 'padding in the middle', body: { name: 'a', rawValue: 'aG=kaGkK' }, says: 'not base64' },
  { name: 'a bad namespace', body: { name: 'a', value: 'v', namespace: 'A' }, says: 'namespace "A"' },
], ({ body, says }) => refuses(() => parseSecret(body), says))

test('a secret is named by the body, its namespace by the body or the query', () => {
  assert.deepEqual(parseSecretRef({ name: 'a' }, undefined), { name: 'a', namespace: 'openfaas-fn' })
  assert.deepEqual(parseSecretRef({ name: 'a' }, 'b'), { name: 'a', namespace: 'b' })
  assert.deepEqual(parseSecretRef({ name: 'a', namespace: 'c' }, 'b'), { name: 'a', namespace: 'c' })
})

cases('a namespace is marked as one for functions', [
  { name: 'by its label', body: { name: 'staging', labels: { openfaas: '1' } } },
  { name: 'by its annotation', body: { name: 'staging', annotations: { openfaas: '1' } } },
], ({ body }) => assert.deepEqual(parseNamespace(body), { labels: {}, annotations: {}, ...body }))

cases('a namespace that makes no sense is refused', [
  { name: 'no mark', body: { name: 'staging', labels: { team: 'a' } }, path: undefined, says: 'openfaas: "1"' },
  { name: 'another mark', body: { name: 'staging', labels: { openfaas: 'true' } }, path: undefined, says: 'openfaas: "1"' },
  { name: 'no name', body: { labels: { openfaas: '1' } }, path: undefined, says: 'namespace ""' },
  { name: 'another name than the path', body: { name: 'a', labels: { openfaas: '1' } }, path: 'b', says: 'name "a"' },
  { name: 'a bad name', body: { name: 'A_B', labels: { openfaas: '1' } }, path: undefined, says: 'namespace "A_B"' },
], ({ body, path, says }) => refuses(() => parseNamespace(body, path), says))

test('the namespace of a query is the default one when absent or empty', () => {
  assert.equal(parseNamespaceName(undefined), 'openfaas-fn')
  assert.equal(parseNamespaceName(''), 'openfaas-fn')
  assert.equal(parseNamespaceName('staging'), 'staging')
  refuses(() => parseNamespaceName('a/b'), 'namespace "a/b"')
})

function refuses(call: () => unknown, says: string): void {
  assert.throws(call, (error) => {
    assert.ok(error instanceof BrambleError, String(error))
    assert.equal(error.code, 'INVALID')
    assert.ok(error.message.includes(says), `"${error.message}" says "${says}"`)
    return true
  })
}
