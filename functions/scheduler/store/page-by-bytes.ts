/** A page of a list that fits into one answer of the data service: it may be shorter than was asked for. */
import type { Database, Row, Statement } from '@bramble/runtime/service/database'

/** An answer has at most 8 MiB; the columns that are not counted, and one row more, need some, too. */
const MAX_PAGE_BYTES = 4 * 1024 * 1024

export type Listing = {
  readonly columns: string
  /** What may be large, by the names of its columns. */
  readonly large: readonly string[]
  /** From FROM to ORDER BY. */
  readonly from: string
  readonly parameters: Statement['parameters']
}

/** One row more than `limit`, where there is one; `limit` is what was asked for, or less. */
export type ByteBoundPage = { readonly rows: readonly Row[]; readonly limit: number }

export async function pageByBytes(db: Database, { columns, large, from, parameters }: Listing, wanted: number): Promise<ByteBoundPage> {
  const bytes = large.map((column) => `COALESCE(octet_length(${column}), 0)`).join(' + ')
  // Lengths are read without what they are of.
  const sizes = await db.query(`SELECT ${bytes} AS bytes ${from} LIMIT :limit`, { ...parameters, limit: wanted })
  let sum = 0
  const limit = sizes.findIndex((row) => (sum += Number(row['bytes'])) > MAX_PAGE_BYTES) + 1 || wanted
  return { rows: await db.query(`SELECT ${columns} ${from} LIMIT :limit`, { ...parameters, limit: limit + 1 }), limit }
}
