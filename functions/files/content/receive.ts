/** Bytes from a caller into a part: hashed and written as they come, with a few hundred kilobytes of them in memory at most. */
import type { Part } from '../storage/store.ts'

export type Receiving = {
  readonly body: AsyncIterable<Uint8Array>
  readonly part: Part
  /** See all bytes: hashes, and who wants the first ones. */
  readonly watchers: readonly { update(chunk: Uint8Array): unknown }[]
  /** Throws when it is too much: nothing of these bytes is written. */
  count(bytes: number): void
  /** All that was received so far is in the part and synced. */
  checkpoint(receivedBytes: number): Promise<void>
}

export type Received = {
  readonly bytes: number
  /** Why it ended before the end; what was received until then is written, and not synced. */
  readonly interruption?: unknown
}

/** Small writes cost more calls than bytes. */
const WRITE_BYTES = 256 * 1024
/**
 * So that the last sync is short: a card that writes 10 MB a second must not make the gateway wait for a minute. Also what is sent again
 * after the process was killed.
 */
const SYNC_BYTES = 16 * 1024 ** 2

export async function receive({ body, part, watchers, count, checkpoint }: Receiving): Promise<Received> {
  let bytes = 0
  let syncedBytes = 0
  let waiting: Uint8Array[] = []
  let waitingBytes = 0
  /** One write at a time, while the next bytes come in. */
  let writing = Promise.resolve()
  const flush = async (): Promise<void> => {
    await writing
    if (waiting.length === 0) return
    writing = part.write(waiting)
    // Whoever awaits it next hears of it.
    writing.catch(() => undefined)
    waiting = []
    waitingBytes = 0
  }
  const take = async (): Promise<void> => {
    for await (const chunk of body) {
      count(chunk.length)
      for (const watcher of watchers) watcher.update(chunk)
      waiting.push(chunk)
      waitingBytes += chunk.length
      bytes += chunk.length
      if (waitingBytes >= WRITE_BYTES) await flush()
      if (bytes - syncedBytes >= SYNC_BYTES) {
        await flush()
        await writing
        await part.sync()
        syncedBytes = bytes
        await checkpoint(bytes)
      }
    }
  }
  let interruption: unknown
  try {
    await take()
  } catch (error) {
    interruption = error ?? new Error('the body broke off')
  }
  // A write that failed fails here again.
  await flush()
  await writing
  return { bytes, ...(interruption !== undefined && { interruption }) }
}
