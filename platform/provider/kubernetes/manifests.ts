/** What a function is in the cluster: Deployment, Service and what goes with them. Pure. */
import { createHash } from 'node:crypto'
import { BrambleError } from '../../lib/errors.ts'
import { readScaleLabels } from '../../openfaas/labels.ts'
import { parseCpu, parseMemory } from '../../openfaas/quantity.ts'
import type { FunctionSpec } from '../../openfaas/types.ts'
import { checkVolume, volumePathOf } from '../../openfaas/volume.ts'
import {
  FUNCTION_LABEL, FUNCTION_PORT, INCARNATION_ANNOTATION, MANAGED_BY, MANAGED_LABEL, REVISION_ANNOTATION, SECRETS_ANNOTATION,
  SPEC_ANNOTATION,
} from './names.ts'
import { exitsPolicy } from './network-policies.ts'
import { podSpecOf, type Gateway, type SecretView } from './pod-template.ts'
import type { Profile } from './profiles.ts'

export type FunctionFacts = {
  readonly spec: FunctionSpec
  readonly replicas: number
  readonly incarnation: string
  /** `sha256:…` of the image's content, when the registry has told it. */
  readonly digest: string | undefined
  readonly secrets: readonly SecretView[]
  readonly profiles: readonly Profile[]
  /** Who is told by a replica that it serves. */
  readonly gateway?: Gateway | undefined
  /** Of the Deployment that this was made from: somebody else's change in between is noticed. */
  readonly resourceVersion?: string
  /** A Function object that this one belongs to, and goes with. */
  readonly owner?: Owner | undefined
}
export type Owner = { readonly apiVersion: string; readonly kind: string; readonly name: string; readonly uid: string }

/** More would not fit ten Raspberry Pis. */
export const MAX_REPLICAS = 200
/** Old versions that kubectl can roll back to; each is an object in the API server's memory. */
const HISTORY = 2
const DEFAULT_VOLUME_SIZE = '1Gi'
const VOLUME_SIZE_ANNOTATION = 'bramble/volume-size'
const REVISION_LENGTH = 12

/** Refuses what cannot run, before anything is changed. `INVALID` names what is wrong. */
export function checkSpec(spec: FunctionSpec): void {
  const { min } = readScaleLabels(spec.labels)
  checkReplicas(min, 'com.openfaas.scale.min')
  for (const [field, resources] of Object.entries({ limits: spec.limits, requests: spec.requests })) {
    if (resources?.memory !== undefined) parseMemory(resources.memory, `${field}.memory`)
    if (resources?.cpu !== undefined) parseCpu(resources.cpu, `${field}.cpu`)
  }
  checkVolume(spec, min, 'com.openfaas.scale.min')
  if (FUNCTION_LABEL in spec.labels && spec.labels[FUNCTION_LABEL] !== spec.name) {
    throw new BrambleError('INVALID', `label ${FUNCTION_LABEL} of function ${spec.name} is the platform's own: leave it out`)
  }
}

export function checkReplicas(replicas: number, what: string, spec?: FunctionSpec): void {
  if (!Number.isSafeInteger(replicas) || replicas < 0 || replicas > MAX_REPLICAS) {
    throw new BrambleError('INVALID', `${what} is ${replicas}, but a function has 0 to ${MAX_REPLICAS} replicas`)
  }
  if (spec) checkVolume(spec, replicas, what)
}

export function deploymentOf(facts: FunctionFacts): object {
  const { spec, replicas, incarnation, owner } = facts
  const labels = { [FUNCTION_LABEL]: spec.name }
  const path = volumePathOf(spec)
  const strategy = facts.profiles.findLast((profile) => profile.strategy)?.strategy ?? (path === undefined
    ? { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } }
    // One writer: the old one has ended before the new one starts.
    : { type: 'Recreate' })
  const template = {
    metadata: {
      labels: { ...spec.labels, ...labels },
      annotations: {
        'prometheus.io.scrape': 'false',
        ...spec.annotations,
        [INCARNATION_ANNOTATION]: incarnation,
        ...(facts.secrets.length > 0 ? { [SECRETS_ANNOTATION]: hash(facts.secrets.map(({ name, version }) => [name, version])) } : {}),
      },
    },
    spec: podSpecOf({
      spec,
      image: facts.digest === undefined || spec.image.includes('@') ? spec.image : `${spec.image}@${facts.digest}`,
      secrets: facts.secrets,
      profiles: facts.profiles,
      gateway: facts.gateway,
      volume: path === undefined ? undefined : { path, claim: claimNameOf(spec) },
    }),
  }
  const annotations = { ...template.metadata.annotations, [REVISION_ANNOTATION]: hash([template, strategy]) }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: {
      name: spec.name,
      namespace: spec.namespace,
      labels: { ...labels, [MANAGED_LABEL]: MANAGED_BY },
      annotations: { [SPEC_ANNOTATION]: JSON.stringify(wireOf(spec)) },
      ...(facts.resourceVersion === undefined ? {} : { resourceVersion: facts.resourceVersion }),
      ...(owner ? { ownerReferences: [{ ...owner, controller: true }] } : {}),
    },
    spec: {
      replicas,
      revisionHistoryLimit: HISTORY,
      selector: { matchLabels: labels },
      strategy,
      template: { ...template, metadata: { ...template.metadata, annotations } },
    },
  }
}

/** What goes with the Deployment: it belongs to it, so that it never outlives it. */
export function companionsOf(spec: FunctionSpec, uid: string): { readonly service: object; readonly exits: object | undefined } {
  const owner = { apiVersion: 'apps/v1', kind: 'Deployment', name: spec.name, uid }
  const metadata = {
    name: spec.name, namespace: spec.namespace, ownerReferences: [owner],
    labels: { [FUNCTION_LABEL]: spec.name, [MANAGED_LABEL]: MANAGED_BY },
  }
  const exits = exitsPolicy(spec)
  return {
    service: {
      apiVersion: 'v1',
      kind: 'Service',
      metadata,
      spec: {
        type: 'ClusterIP',
        selector: { [FUNCTION_LABEL]: spec.name },
        ports: [{ name: 'http', port: FUNCTION_PORT, targetPort: FUNCTION_PORT, protocol: 'TCP' }],
      },
    },
    exits: exits && { ...exits.body, metadata: { ...metadata, name: exits.name } },
  }
}

/** The volume outlives its function: data is removed by its owner, not by a deployment. */
export function claimOf(spec: FunctionSpec): object | undefined {
  if (volumePathOf(spec) === undefined) return undefined
  const size = spec.annotations[VOLUME_SIZE_ANNOTATION] ?? DEFAULT_VOLUME_SIZE
  parseMemory(size, `annotation ${VOLUME_SIZE_ANNOTATION}`)
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: {
      name: claimNameOf(spec), namespace: spec.namespace,
      labels: { [FUNCTION_LABEL]: spec.name, [MANAGED_LABEL]: MANAGED_BY },
    },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: size } } },
  }
}

export function claimNameOf(spec: Pick<FunctionSpec, 'name'>): string {
  return `${spec.name}-volume`
}

/** As a client would send it. */
function wireOf({ name, ...rest }: FunctionSpec): object {
  return { service: name, ...rest }
}

function hash(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, REVISION_LENGTH)
}
