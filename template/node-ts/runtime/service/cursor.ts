/**
 * Pages of a list. A cursor says where the next page begins; it is opaque to callers, and what comes back is checked as any
 * other input. It holds nothing that its caller may not see, so it need not be signed.
 */
import { Problem } from './problem.ts'
import { checkValue, type Schema } from './schema.ts'

export type CursorCodec<Position> = {
  write(position: Position): string
  /** Throws `bad_cursor` for what `write` never wrote. */
  read(cursor: string): Promise<Position>
}

export function createCursorCodec<Position>(schema: Schema<Position>): CursorCodec<Position> {
  const bad = (): Problem => new Problem(422, 'bad_cursor', 'the cursor is not one of this list: begin again without it', {
    errors: [{ in: 'query', path: '/cursor', detail: 'was not made by this service' }],
  })
  return {
    write: (position) => Buffer.from(JSON.stringify(position)).toString('base64url'),
    async read(cursor) {
      const text = Buffer.from(cursor, 'base64url').toString()
      let value: unknown
      try {
        value = JSON.parse(text)
      } catch {
        throw bad()
      }
      const result = await checkValue(schema, value, 'query')
      if ('errors' in result) throw bad()
      return result.value
    },
  }
}

export type Page<Item> = { readonly items: readonly Item[]; readonly next_cursor?: string }

/** Out of one item more than `limit` asked for: whether there is a next page is then known without counting. */
export function pageOf<Item, Position>(
  items: readonly Item[], limit: number, codec: CursorCodec<Position>, positionOf: (item: Item) => Position,
): Page<Item> {
  const last = items[limit - 1]
  if (items.length <= limit || last === undefined) return { items: items.slice(0, limit) }
  return { items: items.slice(0, limit), next_cursor: codec.write(positionOf(last)) }
}
