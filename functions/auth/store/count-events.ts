/** Counts the security events that were written down, since the start of this replica. */
import type { Database } from '@bramble/runtime/service/database'

export type EventCounter = { readonly db: Database; counts(): ReadonlyMap<string, number> }

export function countEvents(db: Database): EventCounter {
  const counts = new Map<string, number>()
  return {
    db: {
      ...db,
      async execute(statements) {
        const results = await db.execute(statements)
        results?.forEach(({ changes }, i) => {
          const event = statements[i]?.event
          if (event !== undefined && changes > 0) counts.set(event, (counts.get(event) ?? 0) + changes)
        })
        return results
      },
    },
    counts: () => counts,
  }
}
