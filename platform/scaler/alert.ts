/** AlertManager's part in the Community Edition's scaling: a step up while an alert fires, back down when it resolves. */
import { BrambleError } from '../lib/errors.ts'
import { readScalePolicy } from '../openfaas/labels.ts'
import type { Alert } from '../openfaas/alerts.ts'
import { serviceName } from '../openfaas/names.ts'
import type { Provider } from '../provider/provider.ts'
import { lowest, stepUp } from './decide.ts'

/** Answers one alert; equal bounds switch scaling off. `NOT_FOUND` for a function that is not there. */
export function createAlert({ provider }: { readonly provider: Pick<Provider, 'get' | 'scale'> }): (alert: Alert) => Promise<void> {
  return async ({ ref, isFiring }) => {
    const status = await provider.get(ref)
    if (status === undefined) throw new BrambleError('NOT_FOUND', `function ${serviceName(ref)} is not deployed`)
    const policy = readScalePolicy(status.spec.labels)
    if (policy.min === policy.max) return
    await provider.scale(ref, isFiring ? stepUp(policy, status.replicas) : lowest(policy))
  }
}
