import * as assert from 'node:assert/strict'
import { BrambleError } from '../../platform/lib/errors.ts'
import { readReadyPath, readScaleLabels, readScalePolicy, type ScalePolicy } from '../../platform/openfaas/labels.ts'
import { cases } from '../kit.ts'

const MIN = 'com.openfaas.scale.min'
const MAX = 'com.openfaas.scale.max'

cases('the scaling labels give the bounds', [
  { name: 'none', labels: {}, bounds: { min: 1, max: 20 } },
  { name: 'labels of others', labels: { team: 'a', 'com.openfaas.scale.factor': '20' }, bounds: { min: 1, max: 20 } },
  { name: 'both', labels: { [MIN]: '2', [MAX]: '5' }, bounds: { min: 2, max: 5 } },
  { name: 'both the same', labels: { [MIN]: '2', [MAX]: '2' }, bounds: { min: 2, max: 2 } },
  { name: 'only the lower one', labels: { [MIN]: '3' }, bounds: { min: 3, max: 20 } },
  { name: 'a lower one above the usual upper one', labels: { [MIN]: '30' }, bounds: { min: 30, max: 30 } },
  { name: 'only the upper one', labels: { [MAX]: '1' }, bounds: { min: 1, max: 1 } },
  { name: 'a lower one of zero', labels: { [MIN]: '0' }, bounds: { min: 0, max: 20 } },
], ({ labels, bounds }) => assert.deepEqual(readScaleLabels(labels), bounds))

cases('a scaling label that makes no sense is refused by its name', [
  { name: 'an empty one', labels: { [MIN]: '' }, says: MIN },
  { name: 'a word', labels: { [MAX]: 'many' }, says: MAX },
  { name: 'less than nothing', labels: { [MIN]: '-1' }, says: MIN },
  { name: 'a fraction', labels: { [MIN]: '1.5' }, says: MIN },
  { name: 'a space', labels: { [MAX]: ' 5' }, says: MAX },
  { name: 'hexadecimal', labels: { [MAX]: '0x5' }, says: MAX },
  { name: 'an exponent', labels: { [MAX]: '1e3' }, says: MAX },
  { name: 'more than anybody has', labels: { [MAX]: '1000000000' }, says: MAX },
  { name: 'the lower one above the upper one', labels: { [MIN]: '5', [MAX]: '2' }, says: 'greater than' },
  { name: 'an upper one below the usual lower one', labels: { [MAX]: '0' }, says: 'greater than' },
], ({ labels, says }) => assert.throws(() => readScaleLabels(labels),
  (error) => error instanceof BrambleError && error.code === 'INVALID' && error.message.includes(says)))

const usual: ScalePolicy = {
  min: 1, max: 20, rule: 'fixed', type: 'rps', loadPerReplica: 45, zeroAfterMs: undefined, downWindowMs: 30_000, factorPercent: 20,
}
const scale = (labels: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(labels).map(([name, value]) => [`com.openfaas.scale.${name}`, value]))

cases('the scaling labels give the policy', [
  { name: 'none: not scaled', labels: {}, policy: {} },
  { name: 'bounds alone: the step rule', labels: { max: '5' }, policy: { rule: 'step', max: 5 } },
  { name: 'a factor', labels: { factor: '50' }, policy: { rule: 'step', factorPercent: 50 } },
  { name: 'equal bounds: not scaled', labels: { min: '2', max: '2', type: 'rps' }, policy: { rule: 'fixed', min: 2, max: 2 } },
  { name: 'a type', labels: { type: 'capacity' }, policy: { rule: 'target', type: 'capacity' } },
  { name: 'a target', labels: { target: '10' }, policy: { rule: 'target', loadPerReplica: 9 } },
  { name: 'a fraction as target', labels: { target: '0.5', 'target-proportion': '1.0' }, policy: { rule: 'target', loadPerReplica: 0.5 } },
  { name: 'zero', labels: { zero: 'true' }, policy: { rule: 'target', zeroAfterMs: 900_000 } },
  { name: 'zero after a time', labels: { zero: 'true', 'zero-duration': '1m30s' }, policy: { rule: 'target', zeroAfterMs: 90_000 } },
  { name: 'no zero', labels: { zero: 'false' }, policy: {} },
  { name: 'a window', labels: { 'down.window': '5m' }, policy: { rule: 'target', downWindowMs: 300_000 } },
] satisfies { name: string; labels: Record<string, string>; policy: Partial<ScalePolicy> }[],
({ labels, policy }: { labels: Record<string, string>; policy: Partial<ScalePolicy> }) =>
  assert.deepEqual(readScalePolicy(scale(labels)), { ...usual, ...policy }))

cases('a scaling policy that makes no sense is refused by its label', [
  { name: 'a type nobody knows', labels: { type: 'latency' }, says: 'rps, capacity, cpu, queue' },
  { name: 'a target of nothing', labels: { target: '0' }, says: 'com.openfaas.scale.target ' },
  { name: 'a negative target', labels: { target: '-5' }, says: 'com.openfaas.scale.target ' },
  { name: 'a proportion of more than all', labels: { 'target-proportion': '1.5' }, says: 'target-proportion' },
  { name: 'maybe to zero', labels: { zero: 'yes' }, says: '"true" or "false"' },
  { name: 'a time without unit', labels: { zero: 'true', 'zero-duration': '15' }, says: 'duration like 30s' },
  { name: 'no time at all', labels: { zero: 'true', 'zero-duration': '0s' }, says: 'zero-duration' },
  { name: 'a time that is bad though zero is off', labels: { 'zero-duration': 'soon' }, says: 'zero-duration' },
  { name: 'a window of more than 5 minutes', labels: { 'down.window': '6m' }, says: '5m' },
  { name: 'a factor of nothing', labels: { factor: '0' }, says: 'factor' },
  { name: 'a factor of more than all', labels: { factor: '101' }, says: 'factor' },
], ({ labels, says }: { labels: Record<string, string>; says: string }) => assert.throws(() => readScalePolicy(scale(labels)),
  (error) => error instanceof BrambleError && error.code === 'INVALID' && error.message.includes(says)))

cases('the path of the readiness probe', [
  { name: 'none', annotations: {}, path: undefined },
  { name: 'its own', annotations: { 'com.openfaas.ready.http.path': '/ready' }, path: '/ready' },
  { name: 'the health path instead', annotations: { 'com.openfaas.health.http.path': '/health' }, path: '/health' },
  {
    name: 'its own before the health path',
    annotations: { 'com.openfaas.ready.http.path': '/ready', 'com.openfaas.health.http.path': '/health' },
    path: '/ready',
  },
], ({ annotations, path }: { annotations: Record<string, string>; path: string | undefined }) =>
  assert.equal(readReadyPath(annotations), path))
