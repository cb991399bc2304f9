/** The port to where lines lie. */
import type { Cursor } from './cursors.ts'
import type { FoundLine, Line, Position } from './line.ts'
import type { LogFilter } from './log-filter.ts'

export type LogQuery = {
  readonly filter: LogFilter
  readonly order: 'asc' | 'desc'
  readonly limit: number
  /** Only what comes after this in that order. */
  readonly after: { readonly timeMs: number; readonly position: Position } | undefined
  readonly signal: AbortSignal
}

export type LogStoreStats = {
  readonly kind: 'volume' | 'memory'
  readonly lines: number
  readonly rawBytes: number
  readonly diskBytes: number
  readonly blocks: number
  readonly damaged: number
  readonly writes: number
}

export type LogStore = {
  open(): Promise<void>
  /**
   * Resolves when the lines will be there after a kill of this process. Answers `known`, and keeps nothing, when the key
   * was there before. Rejects when the disk does not take them; then they are not there.
   */
  append(lines: readonly Line[], key?: string): Promise<'kept' | 'known'>
  /** Up to `limit` lines in order of time, then of position. Throws the signal's reason when it fires. */
  find(query: LogQuery): Promise<readonly FoundLine[]>
  /** In order of position, from the one after `position` on: what somebody missed who followed. At most `limit`, the last ones. */
  since(position: Position, filter: LogFilter, limit: number, signal: AbortSignal): Promise<readonly FoundLine[]>
  /** Where the next line will lie, or before. */
  end(): Position
  /** Called with all lines that are appended, in order. Returns the way to stop. */
  follow(listener: (lines: readonly FoundLine[]) => void): () => void
  /** How far each replica of a function has been read. */
  cursors(functionName: string, namespace: string): ReadonlyMap<string, Cursor>
  stats(): LogStoreStats
  close(): Promise<void>
}
