/** What the platform keeps of the cluster's objects: a narrow view, for there may be thousands. Pure. */
import { parseDeployment } from '../../openfaas/parse.ts'
import type { FunctionSpec } from '../../openfaas/types.ts'
import { isObject, listAt, numberAt, objectAt, textAt, textsAt, timeAt, type Json } from './json.ts'
import type { Owner } from './manifests.ts'
import {
  DELETION_COST_ANNOTATION, FUNCTION_LABEL, INCARNATION_ANNOTATION, REVISION_ANNOTATION, SPEC_ANNOTATION,
} from './names.ts'

/** What every object has. `version` orders what is seen of one object. */
export type ObjectView = { readonly key: string; readonly uid: string; readonly version: bigint; readonly isLeaving: boolean }

export type DeploymentView = ObjectView & {
  readonly name: string
  readonly namespace: string
  readonly spec: FunctionSpec
  readonly incarnation: string
  /** Of the version that is asked for. */
  readonly revision: string
  readonly replicas: number
  readonly createdAtMs: number
  /** Why no pods can be made, from the Deployment's conditions. */
  readonly trouble: string | undefined
  /** The Function object that it belongs to. */
  readonly owner: Owner | undefined
}

/** How a container is, or how it ended. */
export type ContainerEnd = {
  readonly code: number
  readonly reason: string
  readonly message: string
  readonly finishedAtMs: number | undefined
}

export type PodView = ObjectView & {
  readonly name: string
  readonly namespace: string
  readonly functionName: string
  readonly incarnation: string
  readonly revision: string
  readonly createdAtMs: number
  readonly node: string | undefined
  readonly ip: string | undefined
  /** As the kubelet's probe says, and while the node is heard of. */
  readonly isReady: boolean
  /** The kubelet's probe alone. */
  readonly isContainerReady: boolean
  /** Asked to go with the next scaling down. */
  readonly isDoomed: boolean
  readonly phase: string
  /** `Evicted`, `NodeLost` … */
  readonly reason: string | undefined
  readonly reasonMessage: string | undefined
  readonly restarts: number
  readonly isRunning: boolean
  readonly waiting: { readonly reason: string; readonly message: string } | undefined
  /** How the container ended that was there last: the present one, or the one before it. */
  readonly lastEnd: ContainerEnd | undefined
  /** Why no node takes it. */
  readonly unschedulable: string | undefined
}

/** `undefined` for a Deployment that is not a function of ours. */
export function viewDeployment(object: unknown): DeploymentView | undefined {
  const annotations = textsAt(object, 'metadata', 'annotations')
  const spec = readSpec(annotations[SPEC_ANNOTATION])
  const base = viewObject(object)
  if (!spec || !base || spec.name !== textAt(object, 'metadata', 'name')) return undefined
  const template = textsAt(object, 'spec', 'template', 'metadata', 'annotations')
  return {
    ...base,
    name: spec.name,
    namespace: textAt(object, 'metadata', 'namespace') ?? '',
    spec,
    incarnation: template[INCARNATION_ANNOTATION] ?? '',
    revision: template[REVISION_ANNOTATION] ?? '',
    replicas: numberAt(object, 'spec', 'replicas') ?? 1,
    createdAtMs: timeAt(object, 'metadata', 'creationTimestamp') ?? 0,
    trouble: listAt(object, 'status', 'conditions')
      .filter((one) => textAt(one, 'type') === 'ReplicaFailure' && textAt(one, 'status') === 'True')
      .map((one) => textAt(one, 'message') ?? '')[0],
    owner: listAt(object, 'metadata', 'ownerReferences')
      .filter((one) => textAt(one, 'kind') === 'Function')
      .map((one) => ({ apiVersion: textAt(one, 'apiVersion') ?? '', kind: 'Function', name: textAt(one, 'name') ?? '', uid: textAt(one, 'uid') ?? '' }))[0],
  }
}

/** `undefined` for a pod that belongs to no function. */
export function viewPod(object: unknown): PodView | undefined {
  const functionName = textsAt(object, 'metadata', 'labels')[FUNCTION_LABEL]
  const base = viewObject(object)
  if (functionName === undefined || !base) return undefined
  const annotations = textsAt(object, 'metadata', 'annotations')
  const status = objectAt(object, 'status')
  // A person may have added a sidecar: the function's container is the one of its name.
  const container = listAt(status, 'containerStatuses').find((one) => textAt(one, 'name') === functionName)
  const state = objectAt(container, 'state')
  const ready = conditionOf(status, 'Ready')
  const scheduled = conditionOf(status, 'PodScheduled')
  return {
    ...base,
    name: textAt(object, 'metadata', 'name') ?? '',
    namespace: textAt(object, 'metadata', 'namespace') ?? '',
    functionName,
    incarnation: annotations[INCARNATION_ANNOTATION] ?? '',
    revision: annotations[REVISION_ANNOTATION] ?? '',
    createdAtMs: timeAt(object, 'metadata', 'creationTimestamp') ?? 0,
    node: textAt(object, 'spec', 'nodeName'),
    ip: textAt(status, 'podIP'),
    isReady: textAt(ready, 'status') === 'True',
    isContainerReady: objectAt({ container }, 'container')['ready'] === true,
    isDoomed: Number(annotations[DELETION_COST_ANNOTATION] ?? 0) < 0,
    phase: textAt(status, 'phase') ?? 'Pending',
    reason: textAt(status, 'reason'),
    reasonMessage: textAt(status, 'message'),
    restarts: numberAt(container, 'restartCount') ?? 0,
    isRunning: isObject(state['running']),
    waiting: isObject(state['waiting'])
      ? { reason: textAt(state, 'waiting', 'reason') ?? '', message: textAt(state, 'waiting', 'message') ?? '' }
      : undefined,
    lastEnd: viewEnd(objectAt(state, 'terminated')) ?? viewEnd(objectAt(container, 'lastState', 'terminated')),
    unschedulable: textAt(scheduled, 'status') === 'False' ? textAt(scheduled, 'message') ?? textAt(scheduled, 'reason') : undefined,
  }
}

export type NamespaceView = ObjectView & {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

export function viewNamespace(object: unknown): NamespaceView | undefined {
  const base = viewObject(object)
  return base && {
    ...base,
    isLeaving: base.isLeaving || textAt(object, 'status', 'phase') === 'Terminating',
    name: textAt(object, 'metadata', 'name') ?? '',
    labels: textsAt(object, 'metadata', 'labels'),
    annotations: textsAt(object, 'metadata', 'annotations'),
  }
}

export function viewObject(object: unknown): ObjectView | undefined {
  const metadata = objectAt(object, 'metadata')
  const name = textAt(metadata, 'name')
  if (name === undefined) return undefined
  return {
    key: `${textAt(metadata, 'namespace') ?? ''}/${name}`,
    uid: textAt(metadata, 'uid') ?? '',
    version: versionOf(textAt(metadata, 'resourceVersion')),
    isLeaving: metadata['deletionTimestamp'] !== undefined,
  }
}

/** Resource versions are whole numbers that grow, of any length. Source: KEP-5504, comparable resource version. */
export function versionOf(text: string | undefined): bigint {
  return text !== undefined && /^[0-9]{1,30}$/.test(text) ? BigInt(text) : 0n
}

function readSpec(text: string | undefined): FunctionSpec | undefined {
  if (text === undefined) return undefined
  try {
    return parseDeployment(JSON.parse(text))
  } catch {
    // Somebody changed the annotation by hand: the function is then not ours any more, as one without it.
    return undefined
  }
}

function viewEnd(terminated: Json): ContainerEnd | undefined {
  const code = numberAt(terminated, 'exitCode')
  if (code === undefined) return undefined
  return {
    code,
    reason: textAt(terminated, 'reason') ?? '',
    message: textAt(terminated, 'message') ?? '',
    finishedAtMs: timeAt(terminated, 'finishedAt'),
  }
}

function conditionOf(status: Json, type: string): unknown {
  return listAt(status, 'conditions').find((one) => textAt(one, 'type') === type)
}
