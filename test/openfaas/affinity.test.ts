import * as assert from 'node:assert/strict'
import { readAffinity } from '../../platform/openfaas/affinity.ts'
import { parseDeployment } from '../../platform/openfaas/parse.ts'
import { cases, test } from '../kit.ts'

cases('an affinity is read', [
  { name: 'a segment', text: 'path:2', is: { by: 'path', segments: [2] } },
  { name: 'two segments', text: 'path:2,4', is: { by: 'path', segments: [2, 4] } },
  { name: 'a header, in any case', text: 'header:X-Cart-Id', is: { by: 'header', name: 'x-cart-id' } },
] as const, ({ text, is }) => assert.deepEqual(readAffinity({ 'bramble/affinity': text }), is))

test('without the annotation there is none', () => assert.equal(readAffinity({ 'bramble/volume': '/data' }), undefined))

cases('an affinity that says nothing is refused at the deployment, with what it may be', [
  '', 'path', 'path:', 'path:0', 'path:a', 'path:2,', 'path:2,2', 'path:4,2', 'path:17', 'path:1,2,3,4,5', 'path: 2', 'header:', 'header:X Key', 'header:x:y',
  `header:${'x'.repeat(65)}`, 'cookie:a', 'PATH:2', 'path:2;header:x',
].map((text) => ({ name: `"${text.slice(0, 20)}"`, text })), ({ text }) => assert.throws(
  () => parseDeployment({ service: 'cache', image: 'bramble/cache:1', annotations: { 'bramble/affinity': text } }),
  /annotation bramble\/affinity must be like path:2, path:2,4 \(.*\) or header:X-Key, not "/))
