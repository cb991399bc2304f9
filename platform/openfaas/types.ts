/**
 * The words of the OpenFaaS REST API; JSON names exact.
 * Source: the OpenFaaS provider types (function deployment, function status, requests, secret, logs).
 */

export const DEFAULT_NAMESPACE = 'openfaas-fn'

/** Which function: never two loose strings. */
export type FunctionRef = { readonly name: string; readonly namespace: string }

/** Kubernetes quantity strings, kept as they were sent. */
export type FunctionResources = {
  readonly memory?: string
  readonly cpu?: string
  readonly 'nvidia.com/gpu'?: string
  readonly 'amd.com/gpu'?: string
  readonly 'intel.com/gpu'?: string
}

/** A deployment that a parser has accepted: names valid, namespace present, maps never absent. */
export type FunctionSpec = {
  readonly name: string
  readonly namespace: string
  readonly image: string
  /** What to run instead of the image's own program: words split at spaces, no shell. */
  readonly envProcess?: string
  readonly envVars: Readonly<Record<string, string>>
  readonly constraints: readonly string[]
  readonly secrets: readonly string[]
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly limits?: FunctionResources
  readonly requests?: FunctionResources
  readonly readOnlyRootFilesystem?: boolean
}

/** Why a function is not as it was asked to be, in words. Only present while something is wrong. */
export type FunctionCondition = {
  readonly reason: 'Starting' | 'NotReady' | 'CrashLoop' | 'OutOfMemory' | 'UpdateFailed'
  readonly message: string
  /** The last lines the failing replica wrote. */
  readonly lastLines?: readonly string[]
}

export type FunctionUsage = {
  /** Thousandths of a core. */
  readonly cpu: number
  readonly totalMemoryBytes: number
}

/** What a provider knows of a function. `gateway/system` turns it into the JSON of the wire. */
export type FunctionStatus = {
  readonly spec: FunctionSpec
  /** Replicas asked for. */
  readonly replicas: number
  /** Replicas ready to answer. */
  readonly availableReplicas: number
  readonly createdAt: Date
  readonly usage?: FunctionUsage
  readonly conditions: readonly FunctionCondition[]
}

export type SecretRef = { readonly name: string; readonly namespace: string }
export type Secret = SecretRef & { readonly value: Uint8Array }

export type Namespace = {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

export type LogMessage = {
  readonly name: string
  readonly namespace: string
  /** The replica that wrote the line. */
  readonly instance: string
  readonly timestamp: Date
  /** One line; a line end in it is the writer's own. */
  readonly text: string
}

export type LogQuery = FunctionRef & {
  readonly instance?: string
  /** The last so many lines; absent means all that are kept. */
  readonly tail?: number
  readonly since?: Date
  readonly follow: boolean
}
