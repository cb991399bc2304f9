/** Deployments as a parser would hand them to a provider. */
import { DEFAULT_NAMESPACE, type FunctionRef, type FunctionSpec } from '../../platform/openfaas/types.ts'

/** A deployment with nothing special in it. */
export function specOf(name: string, more: Partial<FunctionSpec> = {}): FunctionSpec {
  return {
    name, namespace: DEFAULT_NAMESPACE, image: `registry.local/${name}:1`, envVars: {}, constraints: [], secrets: [],
    labels: {}, annotations: {}, ...more,
  }
}

export function refOf(name: string, namespace = DEFAULT_NAMESPACE): FunctionRef {
  return { name, namespace }
}

/** For whoever waits for the end of a replica: on a cluster it goes on for as long as its longest call may take. */
export const shortCalls = { exec_timeout: '10s' } as const
