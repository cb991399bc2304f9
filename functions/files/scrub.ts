/** Reads all contents, slowly, and compares each with its name: what a card has lost is known before somebody needs it. */
import { createHash } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { Log } from '@bramble/runtime'
import type { Database } from '@bramble/runtime/service/database'
import { StoreError } from './storage/store-error.ts'
import type { Store } from './storage/store.ts'

export type ScrubReport = {
  readonly started_at: string
  readonly finished_at?: string
  readonly contents: number
  readonly bytes: number
  /** Names of contents that are not what they were; the first ones. */
  readonly damaged: readonly string[]
  /** Those that files name and that are not there. */
  readonly missing: readonly string[]
}

export type Scrub = {
  /** Begins one, if none is under way. Returns at once. */
  start(): void
  /** Begins one when the last was long ago. */
  startWhenDue(): Promise<void>
  /** Of the one under way, or the last one of this process. */
  report(): ScrubReport | undefined
}

export type ScrubDeps = {
  readonly db: Database
  readonly store: Store
  readonly everyMs: number | undefined
  readonly bytesPerSecond: number
  readonly log: Log
  readonly nowMs: () => number
}

const STATE = 'scrubbed_at'
const MAX_TOLD = 100
const PAGE = 500

export function createScrub({ db, store, everyMs, bytesPerSecond, log, nowMs }: ScrubDeps): Scrub {
  let running: Promise<void> | undefined
  let report: (ScrubReport & { bytes: number; contents: number; damaged: string[]; missing: string[]; finished_at?: string }) | undefined

  const isWhole = async (hash: string, pace: (bytes: number) => Promise<void>): Promise<boolean> => {
    const size = await store.sizeOf(hash)
    // Collected meanwhile.
    if (size === undefined) return true
    const sha256 = createHash('sha256')
    try {
      for await (const chunk of store.read(hash, 0, size)) {
        sha256.update(chunk)
        await pace(chunk.length)
      }
    } catch (error) {
      if (error instanceof StoreError && error.code === 'MISSING') return await store.sizeOf(hash) === undefined
      // The card gave an error: that is damage.
      log.error('a content cannot be read', { hash, error })
      return false
    }
    return sha256.digest('hex') === hash
  }

  const run = async (): Promise<void> => {
    const now: NonNullable<typeof report> = { started_at: new Date(nowMs()).toISOString(), contents: 0, bytes: 0, damaged: [], missing: [] }
    report = now
    const startMs = performance.now()
    const pace = async (bytes: number): Promise<void> => {
      now.bytes += bytes
      const aheadMs = now.bytes / bytesPerSecond * 1000 - (performance.now() - startMs)
      if (aheadMs > 10) await pause(aheadMs)
    }
    for await (const hash of store.contents()) {
      now.contents++
      if (await isWhole(hash, pace)) continue
      log.error('a content is damaged: store its file again, or restore it from a backup', { hash })
      if (now.damaged.length < MAX_TOLD) now.damaged.push(hash)
    }
    for (let after = ''; ;) {
      const rows = await db.query(`SELECT DISTINCT hash FROM versions WHERE hash > :after ORDER BY hash LIMIT ${PAGE}`, { after })
      for (const row of rows) {
        after = String(row['hash'])
        if (await store.sizeOf(after) !== undefined) continue
        // A file may have gone since, and its content with it.
        const isNamed = (await db.query('SELECT 1 AS one FROM versions WHERE hash = :hash LIMIT 1', { hash: after })).length > 0
        if (!isNamed) continue
        log.error('a content is missing: store its file again, or restore it from a backup', { hash: after })
        if (now.missing.length < MAX_TOLD) now.missing.push(after)
      }
      if (rows.length < PAGE) break
    }
    now.finished_at = new Date(nowMs()).toISOString()
    await db.execute([{ sql: 'INSERT OR REPLACE INTO state (name, value) VALUES (:name, :value)', parameters: { name: STATE, value: String(nowMs()) } }])
    log.info('all contents were read', { contents: now.contents, bytes: now.bytes, damaged: now.damaged.length, missing: now.missing.length })
  }

  const start = (): void => {
    running ??= run().catch((error: unknown) => log.warn('not all contents could be read', { error })).finally(() => { running = undefined })
  }
  return {
    start,
    async startWhenDue() {
      if (everyMs === undefined || running !== undefined || store.whyNotDurable() !== undefined) return
      const [row] = await db.query('SELECT value FROM state WHERE name = :name', { name: STATE })
      if (row === undefined) {
        // From the first day on.
        await db.execute([{ sql: 'INSERT OR IGNORE INTO state (name, value) VALUES (:name, :value)', parameters: { name: STATE, value: String(nowMs()) } }])
      } else if (nowMs() - Number(row['value']) >= everyMs) {
        start()
      }
    },
    report: () => report,
  }
}
