/**
 * The port: where the changes of one database are kept, in order. Record numbers count from 1 without gaps. All reject with
 * `DataError`; its contract suite is `test/functions/data/engine/log-contract.ts`.
 */
import type { RestorePoint } from './types.ts'

export type LogRecord = {
  readonly record: number
  /** When it was made; never less than that of the record before it. */
  readonly timeMs: number
  /** See `changes.ts`. */
  readonly changes: Uint8Array
}

export type DataLog = {
  /**
   * Finds what is there. What a broken off `append` left half is cut; what is left survives a power cut. Answers the number and time
   * of the last record; 0 when there is none. `DAMAGED` when the newest part cannot be read.
   */
  open(): Promise<RestorePoint>
  /** Idempotent. */
  close(): Promise<void>
  /**
   * All of them or none, durable when it resolves; they follow the last record. One call at a time. `DISK_FULL`: none of them is there; `UNAVAILABLE`:
   * perhaps they are. After either, nothing but `close`.
   */
  append(records: readonly LogRecord[]): Promise<void>
  /** From the one behind `after` on. `DAMAGED` names the place when one is missing or broken; those before it have been given. */
  read(after: number): AsyncIterable<LogRecord>
  /** Gives back what holds only records up to this one. Nothing in it is needed any more. */
  drop(through: number): Promise<void>
  /** The first record that is still there. */
  first(): Promise<RestorePoint | undefined>
  bytes(): number
  /** After `DISK_FULL`: whether it is worth trying again. */
  hasRoom(): Promise<boolean>
  /**
   * Sets everything aside from this record on, for people to look at: `read` does not find it any more. While closed.
   */
  setAside(from: number): Promise<void>
  /** A number higher than that of any record there is, damaged ones too. */
  next(): Promise<number>
}
