/** The engine's errors as problems: its codes in lower case, each with the status that fits. */
import { Problem } from '@bramble/runtime/service/problem'
import { DataError, type DataErrorCode } from './engine/errors.ts'

const statusOf: Readonly<Record<Exclude<DataErrorCode, 'INTERNAL'>, number>> = {
  INVALID: 422,
  NOT_ACCEPTED: 422,
  SQL: 422,
  CONSTRAINT: 409,
  EXPECTATION: 409,
  READ_ONLY: 403,
  NOT_FOUND: 404,
  CONFLICT: 409,
  TOO_LARGE: 413,
  DATABASE_FULL: 507,
  DISK_FULL: 507,
  BUSY: 429,
  TIMEOUT: 504,
  NOT_DURABLE: 503,
  DAMAGED: 503,
  UNAVAILABLE: 503,
}

/** When to come again; nothing is known of how long it takes. */
const RETRY_AFTER_SECONDS = '1'

/** Runs something of the engine; `pathOf` says where in the body a statement stands. */
export async function asProblem<T>(work: Promise<T>, pathOf: (statement: number) => string = (i) => `/statements/${i}/sql`): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw error instanceof DataError ? problemOfData(error, pathOf) ?? error : error
  }
}

/** None for a fault of the engine: its words are for the log. */
function problemOfData(error: DataError, pathOf: (statement: number) => string): Problem | undefined {
  const { code, message, statement } = error
  if (code === 'INTERNAL') return undefined
  return new Problem(statusOf[code], code.toLowerCase(), message, {
    cause: error,
    ...(statement !== undefined && { errors: [{ in: 'body' as const, path: pathOf(statement), detail: message }] }),
    ...((code === 'BUSY' || code === 'UNAVAILABLE') && { headers: { 'retry-after': RETRY_AFTER_SECONDS } }),
  })
}
