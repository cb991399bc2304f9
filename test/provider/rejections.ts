/** Assertions about refused operations. */
import * as assert from 'node:assert/strict'
import { BrambleError, type ErrorCode } from '../../platform/lib/errors.ts'

/** The operation is refused with this code, and the message holds all these words. */
export async function refuses(code: ErrorCode, words: readonly string[], operation: () => Promise<unknown>): Promise<void> {
  await assert.rejects(operation, (error: unknown) => {
    assert.ok(error instanceof BrambleError, `not one of ours: ${String(error)}`)
    assert.equal(error.code, code, error.message)
    for (const word of words) assert.ok(error.message.includes(word), `"${error.message}" does not say "${word}"`)
    return true
  })
}
