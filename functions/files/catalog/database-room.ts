/** The database has a size (`max_database_size` of data), and all owners share it: what is kept free is for changing and removing what is there. */
import type { Database } from '@bramble/runtime/service/database'
import { Problem } from '@bramble/runtime/service/problem'

/** How much of it is used, from 0 to 1. */
const USED = '(SELECT CAST(page_count - freelist_count AS REAL) / max_page_count FROM pragma_page_count, pragma_freelist_count, pragma_max_page_count)'
/** Above it there are no new files, */
const FULL_FOR_FILES = 0.8
/** and above this one no new versions and words either. */
const FULL_FOR_CHANGES = 0.9

/** As conditions of a statement that writes. */
export const ROOM_FOR_FILES = `${USED} < ${FULL_FOR_FILES}`
export const ROOM_FOR_CHANGES = `${USED} < ${FULL_FOR_CHANGES}`

/** Throws 507 `catalog_full` where the condition does not hold. */
export async function checkRoom(db: Database, condition: string): Promise<void> {
  const [row] = await db.query(`SELECT ${condition} AS room`)
  if (row?.['room'] === 1) return
  throw new Problem(507, 'catalog_full', 'the database of all files is nearly full: remove some, versions and trash too, or give it more (max_database_size of data)')
}
