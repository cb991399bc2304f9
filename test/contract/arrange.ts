/** Brings a provider whose functions are real into the state that a scenario begins with. */
import { isDeepStrictEqual } from 'node:util'
import { serviceName } from '../../platform/openfaas/names.ts'
import { parseDeployment } from '../../platform/openfaas/parse.ts'
import { DEFAULT_NAMESPACE, type FunctionSpec } from '../../platform/openfaas/types.ts'
import type { Provider } from '../../platform/provider/provider.ts'
import { eventually } from '../kit.ts'
import type { Given, GivenFunction } from './scenario.ts'

/** For child processes; pods on a busy machine take longer. */
const READY_MS = 60_000

/** What is there already stays; what is not given goes. Waits until all replicas take calls. */
export async function arrange(provider: Provider, given: Given = {}, readyMs = READY_MS): Promise<void> {
  const functions = given.functions ?? []
  const wanted = new Set(functions.map((one) => serviceName(specOf(one, given))))
  await removeOthers(provider, given, wanted)
  await arrangeNamespaces(provider, given)
  for (const { name, namespace = DEFAULT_NAMESPACE, value } of given.secrets ?? []) {
    await provider.secrets.create({ name, namespace, value: Buffer.from(value) })
  }
  for (const one of functions) {
    const spec = specOf(one, given)
    const present = await provider.get(spec)
    if (!isDeepStrictEqual(present?.spec, spec)) await provider.apply(spec)
    await provider.scale(spec, one.replicas ?? 1)
  }
  for (const one of functions) {
    const spec = specOf(one, given)
    const replicas = one.replicas ?? 1
    await eventually(`${spec.name} has ${replicas} replicas`, async () => {
      const status = await provider.get(spec, { withUsage: one.usage !== undefined })
      return status?.availableReplicas === replicas && status.conditions.length === 0 &&
        (one.usage === undefined || status.usage !== undefined)
    }, readyMs).catch(async (cause: unknown) => {
      const { availableReplicas, conditions, usage } = await provider.get(spec, { withUsage: one.usage !== undefined }) ?? {}
      throw new Error(`${String(cause)}: ${JSON.stringify({ availableReplicas, conditions, usage })}`, { cause })
    })
  }
}

/** A function of echo-function.ts, told how to answer where that is given. */
function specOf({ deployment }: GivenFunction, { upstreams }: Given): FunctionSpec {
  const spec = parseDeployment(deployment)
  const upstream = upstreams?.[spec.name]
  return upstream ? { ...spec, envVars: { ...spec.envVars, upstream: JSON.stringify(upstream) } } : spec
}

async function removeOthers(provider: Provider, given: Given, functions: ReadonlySet<string>): Promise<void> {
  const namespaces = new Set([DEFAULT_NAMESPACE, ...(given.namespaces ?? []).map(({ name }) => name)])
  for (const { name: namespace } of await provider.namespaces.list()) {
    if (!namespaces.has(namespace)) {
      await provider.namespaces.remove(namespace)
      continue
    }
    for (const { spec } of await provider.list(namespace)) {
      if (!functions.has(serviceName(spec))) await provider.remove(spec)
    }
    // Their values cannot be read: they are made anew.
    for (const secret of await provider.secrets.list(namespace)) await provider.secrets.remove(secret)
  }
}

async function arrangeNamespaces(provider: Provider, { namespaces = [] }: Given): Promise<void> {
  for (const namespace of namespaces) {
    const present = await provider.namespaces.get(namespace.name)
    if (!present) await provider.namespaces.create(namespace)
    else if (!isDeepStrictEqual(present, namespace)) await provider.namespaces.update(namespace)
  }
}
