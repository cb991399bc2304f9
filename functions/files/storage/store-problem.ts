/** The store's errors as problems. */
import { Problem } from '@bramble/runtime/service/problem'
import { StoreError, type StoreErrorCode } from './store-error.ts'

const problems: Readonly<Record<StoreErrorCode, readonly [status: number, code: string]>> = {
  NOT_DURABLE: [503, 'not_durable'],
  FULL: [507, 'disk_full'],
  MISSING: [503, 'content_missing'],
}

export async function asProblem<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    const [status, code] = problems[error.code]
    throw new Problem(status, code, error.message, { cause: error })
  }
}
