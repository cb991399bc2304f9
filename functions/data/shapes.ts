/** What callers send and get, as schemas: they check the input and describe both in `/openapi.json`. */
import * as z from 'zod'
import type { EngineLimits } from './engine/limits.ts'
import type { DatabaseInfo, Result } from './engine/types.ts'
import { JsonParameters, JsonValue, toJson } from './values.ts'

/** Statements in one call, and migrations; each is parsed while others wait. */
export const MAX_STATEMENTS = 1000
export const MAX_MIGRATIONS = 1000
/** Of one statement: longer ones are data in the wrong place. */
export const MAX_SQL_LENGTH = 1_000_000
export const MAX_PAGE = 200
export const DEFAULT_PAGE = 50
export const MAX_GRANTS = 50

export const DatabaseName = z.string().regex(/^[a-z][a-z0-9_-]{0,62}$/, 'must be a small letter, then up to 62 of a-z, 0-9, _ and -')
export const inPath = z.strictObject({ name: DatabaseName })
export const paging = z.strictObject({
  limit: z.int().min(1).max(MAX_PAGE).default(DEFAULT_PAGE),
  cursor: z.string().max(500).optional().describe('`next_cursor` of the page before'),
})
export const ifMatch = z.object({ 'if-match': z.string().max(500).optional().describe('Only if the database still has this ETag, else 412') })
export const idempotencyKey = z.object({
  'idempotency-key': z.string().regex(/^[\x21-\x7e]{1,128}$/).optional().describe('A call sent again with its key runs once, and is answered as the first time'),
})

const Sql = z.string().min(1).max(MAX_SQL_LENGTH)
const Expected = z.union([
  z.int().min(0),
  z.strictObject({ min: z.int().min(0).optional(), max: z.int().min(0).optional() }),
], { error: 'must be a whole number, or {"min", "max"}' })

export function requestShapes(limits: Pick<EngineLimits, 'rows' | 'timeoutMs'>) {
  const limit = z.int().min(1).max(limits.rows).optional().describe(`Rows of a result, at most; ${limits.rows} if nothing is said`)
  const timeout_ms = z.int().min(1).max(limits.timeoutMs).optional().describe(`The call is undone after this time; ${limits.timeoutMs} if nothing is said`)
  return {
    query: z.strictObject({ sql: Sql, parameters: JsonParameters.optional(), limit, timeout_ms }),
    execution: z.strictObject({
      statements: z.array(z.strictObject({
        sql: Sql,
        parameters: JsonParameters.optional(),
        expect: z.strictObject({
          changes: Expected.optional().describe('Rows that this statement must insert, update or delete'),
          rows: Expected.optional().describe('Rows that it must return'),
        }).optional().describe('If it does not hold, all statements are undone: 409 `expectation`'),
      })).min(1).max(MAX_STATEMENTS),
      limit, timeout_ms,
    }),
  }
}

export const Migrations = z.strictObject({
  migrations: z.array(z.strictObject({
    id: z.string().min(1).max(128).describe('Names it for good'),
    sql: Sql.describe('One statement or several, ended by `;`'),
  })).max(MAX_MIGRATIONS),
})

export const RestorePoint = z.union([
  z.strictObject({ record: z.int().min(0).describe('The state after this change') }),
  z.strictObject({ time: z.iso.datetime({ offset: true }).describe('The state at this moment') }),
], { error: 'must be {"record": number} or {"time": "2026-01-31T12:00:00Z"}' })

export const NewToken = z.strictObject({
  label: z.string().min(1).max(128).describe('For people: who has it'),
  grants: z.array(z.strictObject({
    database: z.union([DatabaseName, z.literal('*')]).describe('`*`: all of them'),
    right: z.enum(['read', 'write']).describe('Who may write may read'),
  })).min(1).max(MAX_GRANTS),
})

export const Results = z.object({
  results: z.array(z.object({
    columns: z.array(z.string()),
    rows: z.array(z.array(JsonValue)),
    has_more: z.boolean().describe('There were more rows than the limit'),
    changes: z.int().describe('Rows inserted, updated or deleted; 0 for a query'),
    last_insert_id: JsonValue,
  })),
  record: z.int().describe('The number of the last change that this answer has seen; it is durable'),
})

export const Database = z.object({
  name: z.string(),
  state: z.enum(['closed', 'open', 'opening', 'damaged']),
  problem: z.string().optional(),
  writes_refused: z.string().optional().describe('Why, while they are'),
  size_bytes: z.int().describe('0 while it is closed'),
  size_limit_bytes: z.int(),
  record: z.int(),
  oldest_restorable: z.object({ record: z.int(), time: z.string() }).optional(),
  log_bytes: z.int(),
  snapshot_bytes: z.int(),
  waiting: z.int().describe('Statements that wait or run'),
  copy_age_seconds: z.number().optional().describe('Since everything was copied off-site'),
})

export const Applied = z.object({ applied: z.array(z.string()), skipped: z.array(z.string()), record: z.int() })
export const Restored = z.object({ record: z.int(), size_bytes: z.int() })
export const TokenInfo = z.object({
  id: z.string(), label: z.string(), created_at: z.string(),
  grants: z.array(z.object({ database: z.string(), right: z.enum(['read', 'write']) })),
})
export const MadeToken = TokenInfo.extend({ token: z.string().describe('Shown now and never again') })

export function page<T extends z.ZodType>(item: T) {
  return z.object({ items: z.array(item), next_cursor: z.string().optional() })
}

export function resultJson({ columns, rows, hasMore, changes, lastInsertId }: Result) {
  return { columns, rows: rows.map((row) => row.map(toJson)), has_more: hasMore, changes, last_insert_id: toJson(lastInsertId) }
}

export function databaseJson(info: DatabaseInfo): z.infer<typeof Database> {
  const { oldestRestorable: oldest } = info
  return {
    name: info.name,
    state: info.state,
    ...(info.problem !== undefined && { problem: info.problem }),
    ...(info.writesRefused !== undefined && { writes_refused: info.writesRefused }),
    size_bytes: info.sizeBytes,
    size_limit_bytes: info.sizeLimitBytes,
    record: info.record,
    ...(oldest !== undefined && { oldest_restorable: { record: oldest.record, time: new Date(oldest.timeMs).toISOString() } }),
    log_bytes: info.logBytes,
    snapshot_bytes: info.snapshotBytes,
    waiting: info.waiting,
    ...(info.copyAgeSeconds !== undefined && { copy_age_seconds: info.copyAgeSeconds }),
  }
}
