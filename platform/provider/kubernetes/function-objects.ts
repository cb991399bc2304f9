/** `Function` objects (openfaas.com/v1): a function as a file in somebody's repository. Pure. */
import { reasonOf } from '../../lib/errors.ts'
import { parseDeployment } from '../../openfaas/parse.ts'
import type { FunctionSpec, FunctionStatus } from '../../openfaas/types.ts'
import { isObject, listAt, numberAt, objectAt, textAt, type Json } from './json.ts'
import type { Owner } from './manifests.ts'
import { viewObject, type ObjectView } from './objects.ts'

export type FunctionObject = ObjectView & {
  readonly name: string
  readonly namespace: string
  readonly generation: number
  readonly owner: Owner
  /** What is asked for, or why that cannot be understood. */
  readonly asked: { readonly spec: FunctionSpec } | { readonly problem: string }
  readonly status: Json
}

export function viewFunctionObject(object: unknown): FunctionObject | undefined {
  const base = viewObject(object)
  const name = textAt(object, 'metadata', 'name')
  if (!base || name === undefined) return undefined
  const namespace = textAt(object, 'metadata', 'namespace') ?? ''
  return {
    ...base,
    name,
    namespace,
    generation: numberAt(object, 'metadata', 'generation') ?? 0,
    owner: { apiVersion: 'openfaas.com/v1', kind: 'Function', name, uid: base.uid },
    asked: readAsked(objectAt(object, 'spec'), namespace),
    status: objectAt(object, 'status'),
  }
}

function readAsked(spec: Json, namespace: string): FunctionObject['asked'] {
  const { name, image, handler, environment, constraints, secrets, labels, annotations, limits, requests, readOnlyRootFilesystem } = spec
  try {
    return {
      spec: parseDeployment({
        service: name, namespace, image, envProcess: handler, envVars: environment, constraints, secrets, labels, annotations,
        limits, requests, readOnlyRootFilesystem,
      }),
    }
  } catch (error) {
    return { problem: reasonOf(error) }
  }
}

type Condition = { readonly type: string; readonly status: string; readonly reason: string; readonly message: string }

/** What the object is to say about its function. `problem` is why it could not be applied. */
export function objectStatus(object: FunctionObject, status: FunctionStatus | undefined, problem: string | undefined, now: Date): object {
  const ill = status?.conditions[0]
  const isReady = problem === undefined && status !== undefined && ill === undefined
  const conditions: readonly Condition[] = [
    {
      type: 'Ready', status: isReady ? 'True' : 'False',
      reason: isReady ? 'Ready' : ill?.reason ?? 'NotApplied', message: isReady ? '' : problem ?? ill?.message ?? '',
    },
    {
      type: 'Healthy', status: isReady ? 'True' : 'False',
      reason: isReady ? 'Healthy' : ill?.reason ?? 'NotApplied', message: isReady ? '' : problem ?? ill?.message ?? '',
    },
    {
      type: 'Stalled', status: problem === undefined ? 'False' : 'True',
      reason: problem === undefined ? 'Applied' : 'NotApplied', message: problem ?? '',
    },
  ]
  const replicas = status?.replicas ?? 0
  const availableReplicas = status?.availableReplicas ?? 0
  return {
    observedGeneration: object.generation,
    replicas,
    availableReplicas,
    unavailableReplicas: replicas - availableReplicas,
    conditions: conditions.map((one) => ({ ...one, observedGeneration: object.generation, lastTransitionTime: sinceWhen(object.status, one, now) })),
  }
}

/** Whether the object says that already. */
export function saysAlready(object: FunctionObject, next: object): boolean {
  return Object.entries(next).every(([field, value]) => JSON.stringify(sorted(object.status[field])) === JSON.stringify(sorted(value)))
}

function sinceWhen(status: Json, { type, status: now }: Condition, time: Date): string {
  const before = listAt(status, 'conditions').find((one) => textAt(one, 'type') === type)
  const known = textAt(before, 'status') === now ? textAt(before, 'lastTransitionTime') : undefined
  return known ?? `${time.toISOString().slice(0, 19)}Z`
}

/** The API server orders fields as it likes. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (!isObject(value)) return value
  return Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]))
}
