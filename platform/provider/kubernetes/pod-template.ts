/** The pods of a function: one container, as little power as it needs. Pure. */
import { urlOf } from '../../lib/url.ts'
import type { FunctionSpec } from '../../openfaas/types.ts'
import { VOLUME_VARIABLE } from '../../openfaas/volume.ts'
import { FUNCTION_LABEL, FUNCTION_PORT, GATEWAY_URL, PRIORITY_CLASS, SECRETS_PATH, SERVICE_ACCOUNT_ANNOTATION } from './names.ts'
import { probesOf } from './pod-probes.ts'
import { resourcesOf } from './pod-resources.ts'
import type { Profile } from './profiles.ts'
import { timingOf, type Timing } from './timing.ts'

export type SecretView = {
  readonly name: string
  /** Changes with each new value. */
  readonly version: string
  /** A registry's credentials: for pulling the image, not for the function. */
  readonly isForPulling: boolean
}

/** By its IP address. */
export type Gateway = { readonly host: string; readonly port: number }

export type PodFacts = {
  readonly spec: FunctionSpec
  /** With its digest, when the registry has told it. */
  readonly image: string
  readonly secrets: readonly SecretView[]
  readonly profiles: readonly Profile[]
  readonly volume: { readonly path: string; readonly claim: string } | undefined
  readonly gateway: Gateway | undefined
}

/** Neither root nor a user of the node; images name theirs by words that Kubernetes cannot check. As OpenFaaS does. */
const USER = 12_000
/** A node that is gone is not waited for: a Pi that was unplugged does not come back within five minutes. */
const GONE_SECONDS = 20
/** `/tmp` is on the SD card. */
const TMP_SIZE = '64Mi'
const SECRET_MODE = 0o444

export function podSpecOf({ spec, image, secrets, profiles, volume, gateway }: PodFacts): object {
  const timing = timingOf(spec, volume !== undefined)
  const { preStopSeconds, graceSeconds } = timing
  const mounted = secrets.filter(({ isForPulling }) => !isForPulling)
  const pulling = secrets.filter(({ isForPulling }) => isForPulling)
  const secretsVolume = `${spec.name.slice(0, 40)}-projected-secrets`
  const serviceAccount = spec.annotations[SERVICE_ACCOUNT_ANNOTATION]
  const spread = profiles.flatMap(({ topologySpreadConstraints }) => topologySpreadConstraints)
  const resources = resourcesOf(spec)
  return {
    containers: [{
      name: spec.name,
      image,
      imagePullPolicy: pullPolicyOf(image),
      ports: [{ name: 'http', containerPort: FUNCTION_PORT, protocol: 'TCP' }],
      env: [
        ...(gateway ? announcementOf(gateway) : []), ...(volume ? [{ name: VOLUME_VARIABLE, value: volume.path }] : []),
        ...environmentOf(spec, timing),
      ],
      resources: mergeResources(resources, profiles),
      ...probesOf(spec),
      lifecycle: { preStop: { sleep: { seconds: preStopSeconds } } },
      // What it wrote last is in the pod's status then, when it ends by itself.
      terminationMessagePolicy: 'FallbackToLogsOnError',
      securityContext: {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: spec.readOnlyRootFilesystem ?? true,
        capabilities: { drop: ['ALL'] },
      },
      volumeMounts: [
        { name: 'temp', mountPath: '/tmp' },
        ...(mounted.length > 0 ? [{ name: secretsVolume, mountPath: SECRETS_PATH, readOnly: true }] : []),
        ...(volume ? [{ name: 'volume', mountPath: volume.path }] : []),
      ],
    }],
    volumes: [
      { name: 'temp', emptyDir: { sizeLimit: TMP_SIZE } },
      ...(mounted.length > 0 ? [{
        name: secretsVolume,
        projected: { defaultMode: SECRET_MODE, sources: mounted.map(({ name }) => ({ secret: { name } })) },
      }] : []),
      ...(volume ? [{ name: 'volume', persistentVolumeClaim: { claimName: volume.claim } }] : []),
    ],
    ...(pulling.length > 0 ? { imagePullSecrets: pulling.map(({ name }) => ({ name })) } : {}),
    ...(serviceAccount ? { serviceAccountName: serviceAccount } : {}),
    // A function that was given an account wants its token; no other has one.
    automountServiceAccountToken: serviceAccount !== undefined,
    enableServiceLinks: false,
    ...(spec.constraints.length > 0 ? { nodeSelector: nodeSelectorOf(spec.constraints) } : {}),
    priorityClassName: PRIORITY_CLASS,
    terminationGracePeriodSeconds: graceSeconds,
    dnsConfig: { options: [{ name: 'ndots', value: '1' }] },
    tolerations: [
      ...['not-ready', 'unreachable'].map((state) => ({
        key: `node.kubernetes.io/${state}`, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: GONE_SECONDS,
      })),
      ...profiles.flatMap(({ tolerations }) => tolerations),
    ],
    topologySpreadConstraints: spread.length > 0 ? spread : [{
      maxSkew: 1,
      topologyKey: 'kubernetes.io/hostname',
      whenUnsatisfiable: 'ScheduleAnyway',
      labelSelector: { matchLabels: { [FUNCTION_LABEL]: spec.name } },
      // Each version by itself: those that are about to go do not count.
      matchLabelKeys: ['pod-template-hash'],
    }],
    ...Object.assign({}, ...profiles.map(({ pod }) => pod)),
    securityContext: {
      runAsNonRoot: true, runAsUser: USER, runAsGroup: USER, fsGroup: USER, fsGroupChangePolicy: 'OnRootMismatch',
      seccompProfile: { type: 'RuntimeDefault' },
      ...Object.assign({}, ...profiles.map(({ podSecurityContext }) => podSecurityContext)),
    },
  }
}

/** A digest is one content for ever; `latest` and no tag at all mean "whatever is newest". */
export function pullPolicyOf(image: string): 'Always' | 'IfNotPresent' {
  if (image.includes('@')) return 'IfNotPresent'
  const tag = /:([^:/]+)$/.exec(image)?.[1]
  return tag === undefined || tag === 'latest' ? 'Always' : 'IfNotPresent'
}

function environmentOf(spec: FunctionSpec, { shutdownSeconds, acceptMs }: Timing): readonly object[] {
  const all: Record<string, string> = {
    OPENFAAS_NAME: spec.name,
    OPENFAAS_NAMESPACE: spec.namespace,
    gateway_url: GATEWAY_URL,
    ...(spec.envProcess ? { fprocess: spec.envProcess } : {}),
    ...(shutdownSeconds === undefined ? {} : { shutdown_timeout: `${shutdownSeconds}s` }),
    ...(acceptMs === undefined ? {} : { shutdown_grace: `${acceptMs}ms` }),
    ...spec.envVars,
  }
  return Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => ({ name, value: literal(value) }))
}

/** What our runtime needs to say that it serves. A pod's uid is known to the API, the kubelet and the pod alone. */
function announcementOf({ host, port }: Gateway): readonly object[] {
  return [
    { name: 'pod_uid', valueFrom: { fieldRef: { fieldPath: 'metadata.uid' } } },
    { name: 'announce_url', value: `${urlOf(host, port)}/_/serving/$(pod_uid)` },
  ]
}

/** Kubernetes replaces `$(NAME)`; a function gets its variables as they were sent. */
function literal(value: string): string {
  return value.replaceAll('$(', () => '$$(')
}

export function nodeSelectorOf(constraints: readonly string[]): Record<string, string> {
  return Object.fromEntries(constraints.map((constraint) => {
    const [, key = '', value = ''] = /^([^=]+)==?(.*)$/.exec(constraint) ?? []
    return [key, value]
  }))
}

function mergeResources(own: ReturnType<typeof resourcesOf>, profiles: readonly Profile[]): object {
  const merged: Record<string, object> = { ...own }
  for (const { resources } of profiles) {
    for (const kind of ['limits', 'requests']) merged[kind] = { ...merged[kind], ...Object(resources[kind]) }
  }
  return merged
}
