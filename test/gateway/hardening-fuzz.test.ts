/** A short round of the soak of the same name. */
import * as assert from 'node:assert/strict'
import { test } from '../kit.ts'
import { fuzz } from '../soak/fuzz.ts'

test('spoilt requests and spoilt answers neither crash the gateway nor hang, mix up or open anything', async () => {
  const report = await fuzz({ seconds: 5, seed: 1 })
  assert.deepEqual(report.found, [])
  assert.ok(report.connections > 100, 'connections were made')
  assert.ok((report.answers['200'] ?? 0) > 10 && (report.answers['400'] ?? 0) > 10, 'some were taken, some refused')
})
