/**
 * Gives disk space back. Only the oldest segment may go, for later ones hold the ends of its messages; what still
 * counts in it is written again at the end of the log first.
 */
import { reasonOf } from '../../lib/errors.ts'
import type { Keys } from './keys.ts'
import type { Entry, Ledger } from './ledger.ts'
import type { Owner } from './owner.ts'
import { decodeRecord, encodeRecord, type LogRecord, type Put } from './records.ts'
import type { Segments } from './segments.ts'
import type { Report } from './store.ts'

export type Cleaner = {
  /** The message of an entry; one that the disk has lost is reported, forgotten, and `undefined`. */
  read(entry: Entry): { readonly put: Put; readonly body: Buffer } | undefined
  /** Gives one segment back if that is worth it; whether there is more to do. */
  step(): boolean
}

export type CleanerDeps = {
  readonly segments: Segments
  readonly owner: Owner
  readonly segmentBytes: number
  readonly ledger: Ledger
  readonly keys: Keys
  readonly wallMs: () => number
  readonly nowMs: () => number
  readonly nextSeq: () => number
  readonly report: Report
}

/** The log may be so many times as large as what counts in it: each message is then written about twice in its life at most. */
const MAX_WASTE = 2
/** What a key takes on the disk, about. */
const KEY_BYTES = 150
/** After a failure, a full disk most likely. */
const PAUSE_MS = 10_000

export function createCleaner(deps: CleanerDeps): Cleaner {
  const { segments, ledger, keys, report } = deps
  let pausedUntilMs = -Infinity

  const read: Cleaner['read'] = (entry) => {
    const payload = segments.read(entry.place)
    if (payload !== undefined) {
      const { record, body } = decodeRecord(payload)
      if (record.type === 'put') return { put: record, body }
    }
    report('error', 'a queued call is damaged on the disk and lost', { callId: entry.callId, function: entry.lane.name })
    ledger.forget(entry)
    return undefined
  }
  const isWorthIt = (): boolean => {
    const needed = ledger.live.bytes + ledger.dead.bytes + keys.size * KEY_BYTES
    return segments.bytes() > MAX_WASTE * needed + deps.segmentBytes
  }
  /** The message as it stands now. */
  const renewed = (entry: Entry, put: Put): Put => ({
    type: 'put', seq: put.seq, head: put.head, enqueuedAtMs: put.enqueuedAtMs, attempts: entry.attempts,
    sinceMs: entry.sinceMs, delayMs: entry.delayMs,
    ...(put.key === undefined ? {} : { key: put.key }), ...(entry.death === undefined ? {} : { death: entry.death }),
  })

  const copyAndDrop = (segment: number): void => {
    const moved: Entry[] = []
    const records: (readonly Uint8Array[])[] = []
    for (const entry of [...ledger.entries()]) {
      if (entry.place.segment !== segment) continue
      const found = read(entry)
      if (found === undefined) continue
      moved.push(entry)
      records.push(encodeRecord(renewed(entry, found.put), found.body))
    }
    const alive = new Set(moved.map(({ seq }) => seq))
    const notes = keys.inSegment(segment, deps.wallMs())
    const lonely = notes.filter(([, { seq }]) => !alive.has(seq))
    const others: LogRecord[] = lonely.map(([key, note]) => ({ type: 'key', key, callId: note.callId, enqueuedAtMs: note.atMs }))
    others.push({ type: 'counter', seq: deps.nextSeq() })
    records.push(...others.map((record) => encodeRecord(record)))
    const places = segments.append(records)
    for (const [index, entry] of moved.entries()) {
      const place = places[index]
      if (place !== undefined) ledger.move(entry, place)
    }
    for (const [, note] of notes) note.segment = places.at(-1)?.segment ?? note.segment
    // What another one has read must stay where it lies.
    deps.owner.check()
    segments.dropOldest()
  }

  return {
    read,
    step() {
      const oldest = segments.oldest()
      if (oldest === undefined || deps.nowMs() < pausedUntilMs || !isWorthIt()) return false
      try {
        copyAndDrop(oldest)
      } catch (error) {
        report('error', 'the queue cannot give space back', { error: reasonOf(error) })
        pausedUntilMs = deps.nowMs() + PAUSE_MS
        return false
      }
      return segments.oldest() !== undefined && isWorthIt()
    },
  }
}
