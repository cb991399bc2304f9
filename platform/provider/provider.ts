/** The port: where functions run. `local/` on a laptop, `kubernetes/` on K3s; nothing else can tell which. */
import type { Part } from '../lib/parts.ts'
import type { Affinity } from '../openfaas/affinity.ts'
import type {
  FunctionRef, FunctionSpec, FunctionStatus, LogMessage, LogQuery, Namespace, Secret, SecretRef,
} from '../openfaas/types.ts'

/** Where one replica listens. A plain message: it may cross a process border. */
export type Endpoint = {
  /** The replica's name, never used again by another one. */
  readonly instance: string
  readonly host: string
  readonly port: number
  /** Where it shows its own metrics; absent where that is always the same port. */
  readonly metricsPort?: number
}

/** All the data path needs to know of a function. A plain message. */
export type Route = {
  readonly ref: FunctionRef
  /** Replicas asked for; 0 means asleep. */
  readonly replicas: number
  /** Replicas that take new calls now. One that has left this list is draining. */
  readonly endpoints: readonly Endpoint[]
  /** Calls that agree in this go to the same replica; absent: any replica takes any call. */
  readonly affinity?: Affinity
}

/** What became of one function: its route now, or `undefined` when it is gone. */
export type RouteChange = { readonly ref: FunctionRef; readonly route: Route | undefined }

export type ProviderInfo = {
  /** `bramble-local`, `bramble-kubernetes`. */
  readonly name: string
  readonly orchestration: string
}

/** What a machine has and uses, as far as it says it. */
export type NodeUsage = {
  readonly name: string
  readonly isUp: boolean
  readonly cpuCores?: number | undefined
  readonly cpuUsedCores?: number | undefined
  readonly memoryTotalBytes?: number | undefined
  readonly memoryAvailableBytes?: number | undefined
  readonly diskTotalBytes?: number | undefined
  readonly diskAvailableBytes?: number | undefined
}

export type Provider = Part & {
  readonly info: ProviderInfo

  /** Calls back with every route there is, before it returns, then with each change. Returns the way to stop. */
  watch(listener: (change: RouteChange) => void): () => void

  /**
   * The data path has no call left on a replica that is no longer in any route.
   * An unknown replica is ignored; may be said twice.
   */
  drained(instance: string): void

  /**
   * A replica says that it serves at this address, before the cluster knows. `secret` is what only that replica was
   * given; one that is unknown is ignored. Absent where addresses are known from the start.
   */
  announced?(secret: string, host: string): void

  /**
   * Creates the function or changes it to this; idempotent, and acknowledged once it is durable: the replicas follow.
   * `INVALID` for a missing image, secret or namespace or a bad quantity; nothing has changed then.
   */
  apply(spec: FunctionSpec): Promise<void>
  /** The functions of a namespace, sorted by name. `NOT_FOUND` for an unknown namespace. */
  list(namespace: string): Promise<readonly FunctionStatus[]>
  /** `undefined` when there is none. `usage` costs a measurement and is only filled in when asked for. */
  get(ref: FunctionRef, options?: { readonly withUsage?: boolean }): Promise<FunctionStatus | undefined>
  /** Asks for so many replicas; idempotent, durable when acknowledged. `NOT_FOUND`; `INVALID` beyond the provider's limit. */
  scale(ref: FunctionRef, replicas: number): Promise<void>
  /** Removes the function; calls in flight end first. `NOT_FOUND`. */
  remove(ref: FunctionRef): Promise<void>

  /**
   * Lines in order of time; without `follow` it ends after the last one, with it when `signal` fires.
   * `NOT_FOUND` before the first line when there is no such function.
   */
  logs(query: LogQuery, signal: AbortSignal): AsyncIterable<LogMessage>

  /** Where the replicas that take calls now show their own metrics, `/metrics`. `undefined` when there is no such function. */
  metricsOf?(ref: FunctionRef): readonly Endpoint[] | undefined
  /** The machines that it runs on; absent where it knows of one only. Never rejects. */
  nodes?(): Promise<readonly NodeUsage[]>

  readonly secrets: {
    /** Names only, sorted; never values. `NOT_FOUND` for an unknown namespace. */
    list(namespace: string): Promise<readonly SecretRef[]>
    /** `CONFLICT` when it exists, `NOT_FOUND` for an unknown namespace. */
    create(secret: Secret): Promise<void>
    /** `NOT_FOUND` when it does not exist. Replicas see the new value after the next deployment. */
    update(secret: Secret): Promise<void>
    /** `NOT_FOUND`. Allowed while in use (`faas-cli secret apply` removes and creates): running replicas keep theirs. */
    remove(ref: SecretRef): Promise<void>
  }

  readonly namespaces: {
    /** Sorted; the default namespace is always there. */
    list(): Promise<readonly Namespace[]>
    get(name: string): Promise<Namespace | undefined>
    /** `CONFLICT` when it exists. */
    create(namespace: Namespace): Promise<void>
    /** `NOT_FOUND`. */
    update(namespace: Namespace): Promise<void>
    /** Removes it with all functions and secrets in it. `NOT_FOUND`; `INVALID` for the default namespace. */
    remove(name: string): Promise<void>
  }
}
