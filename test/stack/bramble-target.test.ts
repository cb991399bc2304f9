import * as assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { checkForBramble, ownAnnotations } from '../../platform/stack/bramble-target.ts'
import type { DeploymentBody } from '../../platform/stack/deployment.ts'
import { cases, test } from '../kit.ts'

const body = (more: Partial<DeploymentBody> = {}): DeploymentBody => ({ service: 'a', image: 'x/a:1', labels: {}, annotations: {}, ...more })
const found = (more: Partial<DeploymentBody>): string[] => checkForBramble(body(more)).map(({ level, field, message }) => `${level} ${field.join(' ')}: ${message}`)

test('what Bramble takes has no findings', () => {
  assert.deepEqual(found({
    constraints: ['zone=here'], secrets: ['s'], envVars: { a: '1' }, limits: { memory: '64Mi' },
    labels: { 'com.openfaas.scale.min': '30', 'com.openfaas.scale.type': 'cpu', 'com.openfaas.scale.down.window': '1m', 'com.openfaas.ui.ext': 'png' },
    annotations: { 'bramble/volume-size': '1Gi', 'bramble/affinity': 'path:2', 'com.openfaas.retry.attempts': '3' },
  }), [])
})

cases('Bramble refuses', [
  { name: 'a label without sense', more: { labels: { 'com.openfaas.scale.min': 'many' } }, says: /^error labels com\.openfaas\.scale\.min: .*whole number/ },
  { name: 'bounds that cannot both be', more: { labels: { 'com.openfaas.scale.min': '3', 'com.openfaas.scale.max': '2' } }, says: /^error : .*lower one or raise the other/ },
  { name: 'no reference of an image', more: { image: 'A b' }, says: /^error image: / },
  { name: 'affinity that says nothing', more: { annotations: { 'bramble/affinity': 'path' } }, says: /^error annotations bramble\/affinity: / },
  { name: 'a volume that is no folder', more: { annotations: { 'bramble/volume': 'data' } }, says: /^error annotations bramble\/volume: annotation bramble\/volume of function a must be/ },
  { name: 'two that write to one volume', more: { annotations: { 'bramble/volume': '/data' }, labels: { 'com.openfaas.scale.min': '2' } }, says: /^error : .*one replica writes/ },
  { name: 'a retry without end', more: { annotations: { 'com.openfaas.retry.attempts': 'all' } }, says: /^error annotations com\.openfaas\.retry\.attempts: / },
  { name: 'a constraint that is none', more: { constraints: ['zone'] }, says: /^error constraints: constraint "zone"/ },
  { name: 'a secret\'s name', more: { secrets: ['A'] }, says: /^error secrets: / },
  { name: 'a variable\'s name', more: { envVars: { 'a b': '' } }, says: /^error environment a b: / },
  { name: 'an amount', more: { limits: { memory: 'lots' } }, says: /^error limits memory: / },
  { name: 'the size of a volume', more: { annotations: { 'bramble/volume-size': 'lots' } }, says: /^error annotations bramble\/volume-size: .*amount of memory/ },
  { name: 'memory that is asked for and may not be had', more: { requests: { memory: '1Gi' }, limits: { memory: '16Mi' } }, says: /^error requests memory: 1Gi is more than its limit of 16Mi/ },
  { name: 'the same of cores', more: { requests: { cpu: '1' }, limits: { cpu: '500m' } }, says: /^error requests cpu: / },
  { name: 'a namespace', more: { namespace: 'No' }, says: /^error namespace: / },
], ({ more, says }) => {
  const [first, ...others] = found(more)
  assert.match(first ?? 'nothing', says)
  assert.deepEqual(others, [])
})

cases('a name that nobody reads is a warning', [
  { name: 'a label of scaling', more: { labels: { 'com.openfaas.scale.mni': '1' } }, says: /^warning labels com\.openfaas\.scale\.mni: .*did you mean com\.openfaas\.scale\.min\?$/ },
  { name: 'one like no other', more: { labels: { 'com.openfaas.scale.whenever': '1' } }, says: /^warning labels .*remove it \(there are com/ },
  { name: 'an annotation of Bramble', more: { annotations: { 'bramble/volum': '/data' } }, says: /^warning annotations bramble\/volum: .*did you mean bramble\/volume\?$/ },
  { name: 'a schedule that nobody looks at', more: { annotations: { schedule: '* * * * *' } }, says: /^warning annotations schedule: it never runs: add/ },
  { name: 'a label among the annotations', more: { annotations: { 'com.openfaas.scale.min': '1' } }, says: /write it under labels$/ },
  { name: 'an annotation among the labels', more: { labels: { 'bramble/volume': 'data' } }, says: /write it under annotations$/ },
], ({ more, says }) => {
  const [first, ...others] = found(more)
  assert.match(first ?? 'nothing', says)
  assert.deepEqual(others, [])
})

test('all that is wrong with a function is told at once', () => {
  const labels = { 'com.openfaas.scale.min': 'x', 'com.openfaas.scale.max': 'y', 'com.openfaas.scale.zero': 'maybe' }
  assert.deepEqual(checkForBramble(body({ labels, secrets: ['A', 'B'] })).map(({ field }) => field.at(-1)), [...Object.keys(labels), 'secrets', 'secrets'])
})

test('every annotation that is known is read somewhere', () => {
  const folder = join(import.meta.dirname, '../../platform')
  const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('-target.ts')).map((file) => readFileSync(join(folder, file), 'utf8')).join('\n')
  assert.deepEqual(ownAnnotations.filter((name) => !new RegExp(`['"\`]${name}['"\`]`).test(sources)), [])
})
