import * as assert from 'node:assert/strict'
import { BrambleError } from '../../platform/lib/errors.ts'
import { readReadyPath, readScaleLabels } from '../../platform/openfaas/labels.ts'
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
