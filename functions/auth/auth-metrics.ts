/** What this replica counts. Pure. */
import type { Metric } from '@bramble/runtime/service/metrics'
import type { PasswordHasher } from './password/hasher.ts'

export function authMetrics(events: ReadonlyMap<string, number>, hashes: ReturnType<PasswordHasher['counts']>): readonly Metric[] {
  const one = (value: number) => [{ value }]
  return [
    {
      name: 'bramble_auth_events_total', type: 'counter', help: 'Security events, as in the log of events.',
      samples: [...events].map(([event, value]) => ({ labels: { event }, value })),
    },
    { name: 'bramble_auth_password_hashes_total', type: 'counter', help: 'Password hashes computed.', samples: one(hashes.done) },
    { name: 'bramble_auth_password_hashes_refused_total', type: 'counter', help: 'Calls sent away because too many hashes waited.', samples: one(hashes.refused) },
    { name: 'bramble_auth_password_hashes_running', type: 'gauge', help: 'Password hashes being computed.', samples: one(hashes.running) },
    { name: 'bramble_auth_password_hashes_waiting', type: 'gauge', help: 'Password hashes waiting for their turn.', samples: one(hashes.waiting) },
  ]
}
