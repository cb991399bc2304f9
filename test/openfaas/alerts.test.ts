import * as assert from 'node:assert/strict'
import { BrambleError } from '../../platform/lib/errors.ts'
import { parseAlerts } from '../../platform/openfaas/alerts.ts'
import { cases, test } from '../kit.ts'

const labels = { alertname: 'APIHighInvocationRate', function_name: 'hello.openfaas-fn' }

test('an alert names its function, and whether it fires; others are left out', () => {
  assert.deepEqual(parseAlerts({
    version: '4', status: 'firing', receiver: 'scale-up',
    alerts: [
      { status: 'firing', labels }, { status: 'resolved', labels: { function_name: 'a.b.staging' } },
      { status: 'firing', labels: { alertname: 'DiskFull' } }, { status: 'firing', labels: { function_name: 'plain' } },
    ],
  }), [
    { ref: { name: 'hello', namespace: 'openfaas-fn' }, isFiring: true },
    { ref: { name: 'a.b', namespace: 'staging' }, isFiring: false },
    { ref: { name: 'plain', namespace: 'openfaas-fn' }, isFiring: true },
  ])
})

cases('what is no message of AlertManager is refused', [
  { name: 'nothing', body: undefined },
  { name: 'a text', body: 'alerts' },
  { name: 'no list', body: { alerts: { status: 'firing', labels } } },
  { name: 'an alert without status', body: { alerts: [{ labels }] } },
  { name: 'a status nobody knows', body: { alerts: [{ status: 'pending', labels }] } },
  { name: 'a list of nothing', body: { alerts: [null] } },
], ({ body }) => assert.throws(() => parseAlerts(body), (error) => error instanceof BrambleError && error.code === 'INVALID'))
