/** What the queue and the thread of its store say to each other. Plain messages. */
import type { ErrorCode } from '../../lib/errors.ts'
import type { Fields, Level } from '../../lib/log.ts'
import type { LaneState } from '../queue.ts'
import type { StoreLimits } from './coming.ts'
import type { StoredMessage, StoredOutcome } from './store.ts'

/** Handed to the thread when it begins. */
export type StoreSettings = { readonly folder: string; readonly limits: StoreLimits }

export type Question =
  | { readonly kind: 'enqueue'; readonly message: StoredMessage }
  | { readonly kind: 'settle'; readonly lease: string; readonly outcome: StoredOutcome }
  | { readonly kind: 'cancel'; readonly callId: string }
  | { readonly kind: 'redrive'; readonly dead: string }
  | { readonly kind: 'removeDead'; readonly dead: string }
  | { readonly kind: 'listDead'; readonly options: { readonly service?: string; readonly after?: string; readonly limit: number } }
  | { readonly kind: 'take'; readonly lane: string; readonly limits: { readonly count: number; readonly bytes: number }; readonly leaseMs: number }
  | { readonly kind: 'extend'; readonly leases: readonly string[]; readonly leaseMs: number }
  | { readonly kind: 'stop' }

export type Request = { readonly number: number; readonly question: Question }

export type Answer =
  | { readonly number: number; readonly value: unknown }
  | { readonly number: number; readonly error: { readonly code: ErrorCode; readonly message: string } }

/** One for each round of the thread. The first one says that the store is open. */
export type Round = {
  /** Another process owns the folder now: the thread ends and must not be started again. */
  readonly isShutOut?: boolean
  readonly answers: readonly Answer[]
  readonly lanes: readonly LaneState[]
  readonly reports: readonly { readonly level: Level; readonly message: string; readonly fields: Fields }[]
}
