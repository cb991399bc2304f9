import * as assert from 'node:assert/strict'
import type { DeploymentBody } from '../../platform/stack/deployment.ts'
import { checkForOpenfaas } from '../../platform/stack/openfaas-target.ts'
import { cases, test } from '../kit.ts'

const body = (more: Partial<DeploymentBody> = {}): DeploymentBody => ({ service: 'a', image: 'ghcr.io/ada/a:1', labels: {}, annotations: {}, ...more })
const found = (...bodies: DeploymentBody[]): string[] => checkForOpenfaas(bodies).map(({ level, field, message }) => `${level} ${field.join(' ')}: ${message}`)

test('what Community Edition takes as it is has no findings', () => {
  assert.deepEqual(found(body({
    namespace: 'openfaas-fn', envVars: { a: 'b' }, secrets: ['s'], limits: { memory: '64Mi' }, requests: { cpu: '100m' }, readOnlyRootFilesystem: true,
    labels: { 'com.openfaas.scale.min': '1', 'com.openfaas.scale.max': '5', 'com.openfaas.scale.factor': '20', 'com.openfaas.scale.zero': 'false', mine: 'x' },
    annotations: { topic: 'orders', mine: 'x' },
  })), [])
})

cases('Community Edition refuses', [
  { name: 'a way of scaling', more: { labels: { 'com.openfaas.scale.type': 'rps' } }, says: /^error labels com\.openfaas\.scale\.type: .*Standard; remove it$/ },
  { name: 'a target', more: { labels: { 'com.openfaas.scale.target': '10' } }, says: /^error labels com\.openfaas\.scale\.target: / },
  { name: 'sleep', more: { labels: { 'com.openfaas.scale.zero': 'true' } }, says: /^error labels com\.openfaas\.scale\.zero: .*do not sleep; remove it$/ },
  { name: 'a time until sleep', more: { labels: { 'com.openfaas.scale.zero-duration': '5m' } }, says: /^error labels com\.openfaas\.scale\.zero-duration: / },
  { name: 'six replicas at most', more: { labels: { 'com.openfaas.scale.max': '6' } }, says: /^error labels com\.openfaas\.scale\.max: .*at most 5 replicas, not 6; lower it$/ },
  { name: 'six replicas at least', more: { labels: { 'com.openfaas.scale.min': '6' } }, says: /^error labels com\.openfaas\.scale\.min: .*at most 5 replicas/ },
  { name: 'no replica', more: { labels: { 'com.openfaas.scale.min': '0' } }, says: /^error labels com\.openfaas\.scale\.min: .*at least one replica/ },
  { name: 'another namespace', more: { namespace: 'staging' }, says: /^error namespace: .*openfaas-fn is the only one/ },
  { name: 'several topics', more: { annotations: { topic: 'orders,payments' } }, says: /^error annotations topic: .*one topic/ },
  { name: 'an annotation of a cloud', more: { annotations: { 'eks.amazonaws.com/role-arn': 'x' } }, says: /^error annotations eks\.amazonaws\.com\/role-arn: / },
  ...[
    'registry.local:5000/a:1', 'localhost:5000/a', 'localhost/a', 'registry:5000/a:1', '192.168.1.10:5000/a', '10.0.0.2/a', '172.20.0.1:5000/a', '[fd00::1]:5000/a', 'reg.fritz.home.arpa/a',
    '123456789012.dkr.ecr.eu-central-1.amazonaws.com/a:1',
  ].map((image) => ({ name: `the private image ${image}`, more: { image }, says: /^error image: .*without credentials.*; push it to a public registry$/ })),
], ({ more, says }) => {
  const [first, ...others] = found(body(more))
  assert.match(first ?? 'nothing', says)
  assert.deepEqual(others, [])
})

cases('an image that may be public is left to its registry', ['ada/a:1', 'a', 'ghcr.io/ada/a', 'registry.example.org:5000/a', 'docker.io/ada/a@sha256:00', '172.32.0.1/a', 'quay.io/a']
  .map((name) => ({ name })), ({ name }) => assert.deepEqual(found(body({ image: name })), []))

cases('Community Edition ignores', [
  { name: 'constraints', more: { constraints: ['zone=here'] }, says: /^warning constraints: .*any node/ },
  { name: 'a volume', more: { annotations: { 'bramble/volume': '/data' } }, says: /^warning annotations bramble\/volume: .*lost with its pod/ },
  { name: 'affinity', more: { annotations: { 'bramble/affinity': 'path:2' } }, says: /^warning annotations bramble\/affinity: .*one replica/ },
  { name: 'visibility', more: { annotations: { 'bramble/visibility': 'internal' } }, says: /^warning annotations bramble\/visibility: .*token/ },
  { name: 'generated secrets', more: { annotations: { 'bramble/generated-secrets': 'x' } }, says: /^warning annotations bramble\/generated-secrets: .*secret create/ },
  { name: 'where a function may call', more: { annotations: { 'bramble/exits': 'internet:443' } }, says: /^warning annotations bramble\/exits: / },
  { name: 'whatever else is Bramble\'s', more: { annotations: { 'bramble/overlap': 'skip' } }, says: /^warning annotations bramble\/overlap: / },
  { name: 'retries', more: { annotations: { 'com.openfaas.retry.attempts': '3' } }, says: /^warning annotations com\.openfaas\.retry\.attempts: .*not tried again/ },
  { name: 'a share of the target', more: { labels: { 'com.openfaas.scale.target-proportion': '0.7' } }, says: /^warning labels com\.openfaas\.scale\.target-proportion: / },
  { name: 'a schedule, without its connector', more: { annotations: { topic: 'cron-function', schedule: '* * * * *' } }, says: /^warning annotations topic: .*cron-connector/ },
], ({ more, says }) => {
  const [first, ...others] = found(body(more))
  assert.match(first ?? 'nothing', says)
  assert.deepEqual(others, [])
})

test('several schedules are one too many', () => {
  const annotations = { topic: 'cron-function', schedule: '* * * * *; 5 4 * * *;' }
  assert.match(found(body({ annotations })).join('\n'), /^warning annotations schedule: several .*keep one/m)
})

test('fifteen functions are taken, sixteen refused, and all that is wrong is told at once', () => {
  const many = Array.from({ length: 16 }, (_, index) => body({ service: `f-${index}` }))
  assert.deepEqual(found(...many.slice(1)), [])
  assert.match(found(...many)[0] ?? '', /^error functions: there are 16, .*more than 15/)
  const wrong = body({ constraints: ['a=b'], labels: { 'com.openfaas.scale.type': 'rps', 'com.openfaas.scale.zero': 'true' } })
  assert.equal(found(...many, wrong, wrong).length, 7)
})
