/** What the engine and the thread of a database tell each other. */
import type { DataErrorCode } from './errors.ts'
import type { HeapShare } from './heap.ts'
import type { Migration, Parameters, Result, Statement } from './types.ts'

export type ThreadSettings = {
  /** Marks the thread among others that run the same bundle. */
  readonly brambleDatabase: string
  /** See `sqliteModule`. */
  readonly module: object
  readonly databaseBytes: number
  readonly heap: HeapShare
  /** Two numbers: the job that runs (0: none), and when it began; of `monotonicMs`. */
  readonly pulse: SharedArrayBuffer
}

export type Job =
  | { readonly kind: 'query'; readonly sql: string; readonly parameters: Parameters | undefined; readonly rows: number; readonly bytes: number }
  | { readonly kind: 'execute'; readonly statements: readonly Statement[]; readonly rows: number; readonly bytes: number }
  | { readonly kind: 'migrate'; readonly migration: Migration; readonly hash: string }
  /** Holds on to the file as it is, under a number that was never used before. */
  | { readonly kind: 'view'; readonly view: number }
  /** The next bytes of the view; empty at its end. */
  | { readonly kind: 'slice'; readonly view: number; readonly bytes: number }
  | { readonly kind: 'close view'; readonly view: number }
  /** The next part of a file that is to take the place of this one. */
  | { readonly kind: 'part'; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly kind: 'drop parts' }
  /** Puts the parts in the place of the file; refused when they are no sound database. */
  | { readonly kind: 'replace'; readonly size: number }

export type Values = {
  readonly query: Result
  readonly execute: readonly Result[]
  readonly migrate: boolean
  readonly view: { readonly size: number }
  readonly slice: Uint8Array<ArrayBuffer>
  readonly 'close view': undefined
  readonly part: undefined
  readonly 'drop parts': undefined
  readonly replace: { readonly size: number }
}

export type ToThread =
  /** Before `open`: the content, from snapshot and log. */
  | { readonly type: 'load'; readonly bytes: Uint8Array; readonly offset: number }
  | { readonly type: 'apply'; readonly changes: readonly Uint8Array[] }
  | { readonly type: 'open' }
  | { readonly type: 'run'; readonly jobs: readonly { readonly id: number; readonly job: Job }[] }

export type Failure = { readonly code: DataErrorCode; readonly message: string; readonly statement: number | undefined }

/** In the order of the jobs. `changes` are of the file, whatever became of the job. */
export type Answer = {
  readonly id: number
  readonly value: unknown
  readonly failure: Failure | undefined
  readonly changes: Uint8Array | undefined
  /** It has spoiled the file: the database must be rebuilt. Nothing comes after it. */
  readonly isBroken: boolean
}

export type FromThread =
  | { readonly type: 'opened'; readonly failure: Failure | undefined; readonly sizeBytes: number }
  | { readonly type: 'answers'; readonly answers: readonly Answer[]; readonly sizeBytes: number }
