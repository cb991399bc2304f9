/** What a process of the data path and the control process tell each other: plain messages, one JSON line each. */
import type { ErrorCode } from '../../lib/errors.ts'
import type { FunctionLoad } from '../../metrics/function-load.ts'
import type { FunctionRef } from '../../openfaas/types.ts'
import type { PlacedChange } from '../places.ts'

export type ToDataPath =
  /** Every route there is: what is not in it is gone. First after each connect. */
  | { readonly type: 'routes'; readonly routes: readonly PlacedChange[]; readonly servedBy: string }
  | { readonly type: 'route'; readonly change: PlacedChange }
  | { readonly type: 'reply'; readonly id: number; readonly reason: string | undefined; readonly error: PlainError | undefined }

export type ToControl =
  /** With the port once calls are taken on it. */
  | { readonly type: 'hello'; readonly pid: number; readonly port: number | undefined }
  /** No call is left on a replica that is in no route any more. */
  | { readonly type: 'drained'; readonly instance: string }
  /** A replica said so; `Provider.announced`. */
  | { readonly type: 'announced'; readonly secret: string; readonly host: string }
  /** Answered by a `reply` with this id. */
  | { readonly type: 'wake' | 'why'; readonly id: number; readonly ref: FunctionRef }
  /** Of each function whose numbers have changed since the last time. Their `atMs` is how old they are when sent, below 0. */
  | { readonly type: 'loads'; readonly loads: readonly FunctionLoad[] }
  | { readonly type: 'series'; readonly series: readonly PlainSeries[]; readonly process: ProcessNumbers }

export type PlainError = { readonly code: ErrorCode | undefined; readonly message: string }

/** A `FunctionSeries` as JSON has it. */
export type PlainSeries = {
  readonly name: string
  readonly started: number
  readonly inFlight: number
  readonly byCode: readonly { readonly code: number; readonly count: number; readonly sumSeconds: number; readonly buckets: readonly number[] }[]
}

export type ProcessNumbers = { readonly cpuSeconds: number; readonly residentBytes: number }

/** The sockets in the folder both sides share; a path to one is limited to 107 bytes by Unix. */
export const MESSAGES_SOCKET = 'messages.sock'
export const REQUESTS_SOCKET = 'requests.sock'
