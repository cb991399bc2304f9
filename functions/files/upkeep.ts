/**
 * What nobody needs any more goes: uploads that are over, old trash, parts without an upload, contents that no file names. Nothing
 * depends on it being done in time.
 */
import type { Log } from '@bramble/runtime'
import type { Database } from '@bramble/runtime/service/database'
import { purgeStatements } from './catalog/files.ts'
import type { HashLocks } from './storage/hash-locks.ts'
import type { Store } from './storage/store.ts'

export type Upkeep = {
  /** One round, now. */
  round(): Promise<UpkeepReport>
}

export type UpkeepReport = { readonly uploads: number; readonly parts: number; readonly files: number; readonly contents: number }

export type UpkeepDeps = {
  readonly db: Database
  readonly store: Store
  readonly locks: HashLocks
  /** Whether a call is just writing this part. */
  readonly isLive: (part: string) => boolean
  readonly trashMs: number
  /** How long a content or a part must have been nobody's. */
  readonly orphanMs: number
  readonly log: Log
  readonly nowMs: () => number
}

/** Asked about in one query. */
const NAMES_AT_ONCE = 500
const named = `SELECT hash FROM versions WHERE hash IN (SELECT value FROM json_each(:hashes))
  UNION SELECT thumbnail_hash FROM versions WHERE thumbnail_hash IN (SELECT value FROM json_each(:hashes))
  UNION SELECT hash FROM uploads WHERE hash IN (SELECT value FROM json_each(:hashes)) AND file_id IS NULL`

export function createUpkeep({ db, store, locks, isLive, trashMs, orphanMs, log, nowMs }: UpkeepDeps): Upkeep {
  /** When each was first seen to be nobody's. Forgotten with the process: then it takes a while longer. */
  let orphans = new Map<string, number>()
  let strays = new Map<string, number>()

  const namedOf = async (hashes: readonly string[]): Promise<ReadonlySet<string>> =>
    new Set((await db.query(named, { hashes: JSON.stringify(hashes) })).map((row) => String(row['hash'])))

  const removeParts = async (): Promise<number> => {
    const now = nowMs()
    const seen = new Map<string, number>()
    let removed = 0
    const parts = await store.parts()
    for (let at = 0; at < parts.length; at += NAMES_AT_ONCE) {
      const some = parts.slice(at, at + NAMES_AT_ONCE)
      const rows = await db.query('SELECT id FROM uploads WHERE id IN (SELECT value FROM json_each(:ids))', { ids: JSON.stringify(some) })
      const uploads = new Set(rows.map((row) => String(row['id'])))
      for (const id of some) {
        if (uploads.has(id) || isLive(id)) continue
        const sinceMs = strays.get(id) ?? now
        if (now - sinceMs >= orphanMs) {
          await store.removePart(id)
          removed++
        } else {
          seen.set(id, sinceMs)
        }
      }
    }
    strays = seen
    return removed
  }

  const collect = async (hash: string): Promise<boolean> => locks(hash, async () => {
    // Between the look and this moment somebody may have stored it again.
    if ((await namedOf([hash])).size > 0) return false
    await store.remove(hash)
    return true
  })

  const removeContents = async (): Promise<number> => {
    const now = nowMs()
    const seen = new Map<string, number>()
    let removed = 0
    const look = async (hashes: readonly string[]): Promise<void> => {
      const inUse = await namedOf(hashes)
      for (const hash of hashes) {
        if (inUse.has(hash)) continue
        const sinceMs = orphans.get(hash) ?? now
        if (now - sinceMs < orphanMs) seen.set(hash, sinceMs)
        else if (await collect(hash)) removed++
      }
    }
    let waiting: string[] = []
    for await (const hash of store.contents()) {
      waiting.push(hash)
      if (waiting.length < NAMES_AT_ONCE) continue
      await look(waiting)
      waiting = []
    }
    if (waiting.length > 0) await look(waiting)
    orphans = seen
    return removed
  }

  return {
    async round() {
      const now = nowMs()
      // Their parts are strays from now on.
      const [uploads] = await db.execute([{ sql: 'DELETE FROM uploads WHERE expires_at <= :now', parameters: { now } }]) ?? []
      const purged = await db.execute(purgeStatements('f.deleted_at <= :until', { until: now - trashMs }))
      if (store.whyNotDurable() !== undefined) return { uploads: uploads?.changes ?? 0, parts: 0, files: purged?.at(-1)?.changes ?? 0, contents: 0 }
      const report = { uploads: uploads?.changes ?? 0, files: purged?.at(-1)?.changes ?? 0, parts: await removeParts(), contents: await removeContents() }
      if (Object.values(report).some((count) => count > 0)) log.info('removed what nobody needs', report)
      return report
    },
  }
}
