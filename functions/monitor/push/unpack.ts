/** The body of a push as it was before it was packed for the way. Pure. */
import { unzipSync } from 'node:zlib'
import { PushTooLarge } from './push-size.ts'

/** `unzip` tells them apart by their first bytes. */
export const ENCODINGS = ['gzip', 'deflate'] as const

/**
 * At once and not beside others: however many send bombs, one of `maxBytes` is in memory. Throws `PushTooLarge` as soon as it becomes
 * larger than that, another error for what cannot be unpacked.
 */
export function unpack(bytes: Buffer, maxBytes: number): Buffer {
  try {
    return unzipSync(bytes, { maxOutputLength: maxBytes })
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE') throw new PushTooLarge(`unpacked, a push may have ${maxBytes} bytes`)
    throw error
  }
}
