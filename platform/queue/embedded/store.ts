/**
 * The queue itself, without its thread: changes are staged, `commit` makes all of them durable with one sync and only
 * then tells who asked. Everything blocks; nothing waits.
 */
import { randomBytes } from 'node:crypto'
import { dirname } from 'node:path'
import { BrambleError, reasonOf } from '../../lib/errors.ts'
import type { Fields, Level } from '../../lib/log.ts'
import { serviceName } from '../../openfaas/names.ts'
import type { Accepted, DeadLetter, Delivery, Head, LaneState, Outcome } from '../queue.ts'
import { createCleaner } from './cleaner.ts'
import { createComing, fullness, type StoreLimits } from './coming.ts'
import { createKeys } from './keys.ts'
import { createLedger, type Entry } from './ledger.ts'
import type { LogFiles } from './log-files.ts'
import { createOwner } from './owner.ts'
import { decodeRecord, encodeRecord, type Change, type LogRecord, type Put } from './records.ts'
import { createSegments, SEGMENT_BYTES, type Place } from './segments.ts'

/** A new message as the store takes it. */
export type StoredMessage = { readonly head: Head; readonly body: Uint8Array; readonly delayMs: number; readonly key?: string }
export type StoredOutcome =
  | { readonly kind: 'done'; readonly callback?: StoredMessage }
  | { readonly kind: 'dead'; readonly reason: string; readonly callback?: StoredMessage }
  | Extract<Outcome, { kind: 'retry' | 'release' }>

export type Report = (level: Level, message: string, fields: Fields) => void
/** Called once: with the value, or with the reason why not. */
export type Done<T> = (error: BrambleError | undefined, value: T | undefined) => void

export type Store = {
  open(): void
  close(): void
  /** `CONFLICT` when another process has opened the same folder: this one may do nothing any more. */
  checkOwner(): void
  enqueue(message: StoredMessage, done: Done<Accepted>): void
  settle(lease: string, outcome: StoredOutcome, done: Done<boolean>): void
  cancel(callId: string, done: Done<number>): void
  redrive(id: string, done: Done<void>): void
  removeDead(id: string, done: Done<void>): void
  /** Somebody outside waits for what was staged. Outcomes alone may wait a little: nobody does, and one that is lost means one more try. */
  isUrgent(): boolean
  /** Makes what was staged durable, and tells. */
  commit(): void
  take(lane: string, limits: { readonly count: number; readonly bytes: number }, leaseMs: number): readonly Delivery[]
  extend(leases: readonly string[], leaseMs: number): void
  listDead(options: { readonly service?: string; readonly after?: string; readonly limit: number }): readonly DeadLetter[]
  /** Makes due what is. */
  tick(): void
  /** Milliseconds until `tick` is worth calling; `undefined` while nothing waits for a time. */
  untilTickMs(): number | undefined
  changes(): readonly LaneState[]
  /** One step of giving space back; whether there is more to do. */
  clean(): boolean
}

export type StoreDeps = {
  readonly files: LogFiles
  readonly folder: string
  readonly limits: StoreLimits
  readonly wallMs: () => number
  /** A clock that never jumps. */
  readonly nowMs: () => number
  readonly report: Report
}

type Staged = {
  readonly parts: readonly Uint8Array[] | undefined
  readonly apply: (place: Place | undefined) => void
  readonly done: (error: BrambleError | undefined) => void
}

/** More than the owner before can give out in the moment before it notices: its last numbers are never ours. */
const SEQ_GAP = 2 ** 20
/** Left free by new calls: for the outcomes of those that wait, and to move what still counts before a segment is given back. */
const RESERVED_SEGMENTS = 2
/** Enough that two starts hardly ever draw the same. */
const EPOCH_BYTES = 4

export function createStore(deps: StoreDeps): Store {
  const { files, folder, limits, wallMs, nowMs, report } = deps
  const segmentBytes = limits.segmentBytes ?? SEGMENT_BYTES
  const owner = createOwner({ files, folder })
  const segments = createSegments({ ...deps, segmentBytes, checkOwner: owner.check })
  const ledger = createLedger(randomBytes(EPOCH_BYTES).toString('hex'))
  const keys = createKeys(limits)
  const cleaner = createCleaner({ segments, owner, segmentBytes, ledger, keys, wallMs, nowMs, report, nextSeq: () => nextSeq })
  let nextSeq = 1
  let staged: Staged[] = []
  /** What the staged changes will have done: later ones of the same batch must know. */
  let coming = createComing()

  const apply = (record: Change): void => { ledger.apply(record, wallMs(), nowMs()) }
  const applyPut = (put: Put, place: Place, bodyBytes: number): void => {
    if (put.also !== undefined) apply(put.also)
    ledger.put(put, place, bodyBytes, wallMs(), nowMs())
    if (put.key !== undefined) {
      keys.remember(put.key, { callId: put.head.callId, atMs: put.enqueuedAtMs, seq: put.seq, segment: place.segment })
    }
  }
  const replay = (payload: Buffer, place: Place): void => {
    let found: { record: LogRecord; body: Buffer }
    try {
      found = decodeRecord(payload)
    } catch (error) {
      return report('error', 'a record of the queue cannot be read and was skipped', { segment: place.segment, offset: place.offset, error: reasonOf(error) })
    }
    const { record, body } = found
    if (record.type === 'counter') nextSeq = Math.max(nextSeq, record.seq)
    else if (record.type === 'key') keys.remember(record.key, { callId: record.callId, atMs: record.enqueuedAtMs, seq: 0, segment: place.segment })
    else if (record.type === 'put') {
      nextSeq = Math.max(nextSeq, record.seq + 1)
      applyPut(record, place, body.length)
    } else apply(record)
  }

  const putOf = ({ head, delayMs, key }: StoredMessage, also?: Change): Put => {
    const at = wallMs()
    return {
      type: 'put', seq: nextSeq++, head, enqueuedAtMs: at, attempts: 0, sinceMs: at, delayMs,
      ...(key === undefined ? {} : { key }), ...(also === undefined ? {} : { also }),
    }
  }
  const stagePut = (message: StoredMessage, also: Change | undefined, done: Staged['done']): void => {
    const put = putOf(message, also)
    const parts = encodeRecord(put, message.body)
    coming.count++
    coming.bytes += parts.reduce((sum, part) => sum + part.length, 0)
    staged.push({ parts, apply: (place) => { if (place !== undefined) applyPut(put, place, message.body.length) }, done })
  }
  const stageChange = (change: Change, done: Staged['done']): void => {
    coming.touched.add(change.seq)
    staged.push({ parts: encodeRecord(change), apply: () => apply(change), done })
  }
  const untouched = (entry: Entry | undefined): Entry | undefined =>
    entry === undefined || coming.touched.has(entry.seq) ? undefined : entry
  const isFull = (bytes: number): BrambleError | undefined => fullness(ledger.live, coming, limits, bytes)
  const shortness = (bytes: number): BrambleError | undefined => {
    coming.freeBytes ??= files.freeBytes(folder)
    const reserveBytes = RESERVED_SEGMENTS * segmentBytes
    if (coming.freeBytes - coming.bytes - bytes >= reserveBytes) return undefined
    return new BrambleError('UNAVAILABLE', `the disk of data_dir is nearly full: it takes no new asynchronous calls until more than ${reserveBytes} bytes are free`)
  }
  /** Room for one more: those that died first go, not silently. */
  const makeRoomForDead = (bytes: number): void => {
    for (const oldest of ledger.deadEntries()) {
      const hasRoom = ledger.dead.count + coming.dead < limits.maxDead
        && ledger.dead.bytes + coming.deadBytes + bytes <= limits.maxDeadBytes
      if (hasRoom) break
      if (coming.touched.has(oldest.seq)) continue
      report('warn', 'a dead letter was dropped for a newer one', { callId: oldest.callId, lane: oldest.lane.name })
      stageChange({ type: 'end', seq: oldest.seq }, () => undefined)
      coming.dead--
      coming.deadBytes -= oldest.place.length
    }
    coming.dead++
    coming.deadBytes += bytes
  }
  const deadEntry = (id: string): Entry => {
    const entry = untouched(ledger.get(Number(id)))
    if (entry?.state !== 'dead') throw new BrambleError('NOT_FOUND', `there is no dead letter ${id}`)
    return entry
  }

  return {
    open() {
      for (const path of [dirname(folder), folder]) {
        files.makeFolder(path)
        files.syncFolder(dirname(path))
      }
      owner.begin()
      segments.open(replay, ({ file, offset, bytes, kind }) => {
        if (kind === 'cut') report('warn', 'the torn end of the queue was cut: it had not been acknowledged', { file, offset, bytes })
        else report('error', 'a damaged record of the queue was skipped: a call or its outcome is lost', { file, offset, bytes })
      })
      nextSeq += SEQ_GAP
    },
    close() {
      segments.close()
      owner.end()
    },
    checkOwner: owner.check,
    enqueue(message, done) {
      const { key, head } = message
      const earlier = key === undefined ? undefined : keys.find(key, wallMs())
      if (earlier !== undefined) return done(undefined, { callId: earlier.callId, isDuplicate: true })
      const sameBatch = key === undefined ? undefined : coming.keys.get(key)
      if (sameBatch !== undefined) {
        staged.push({ parts: undefined, apply: () => undefined, done: (error) => done(error, { callId: sameBatch, isDuplicate: true }) })
        return
      }
      const full = isFull(message.body.length) ?? shortness(message.body.length)
      if (full !== undefined) return done(full, undefined)
      coming.isUrgent = true
      if (key !== undefined) coming.keys.set(key, head.callId)
      stagePut(message, undefined, (error) => done(error, { callId: head.callId, isDuplicate: false }))
    },
    settle(lease, outcome, done) {
      const entry = untouched(ledger.leased(lease))
      if (entry === undefined) return done(undefined, false)
      if (outcome.kind === 'release') {
        ledger.release(entry)
        return done(undefined, true)
      }
      const attempts = entry.attempts + 1
      const change: Change = outcome.kind === 'done' ? { type: 'end', seq: entry.seq }
        : outcome.kind === 'retry' ? { type: 'retry', seq: entry.seq, sinceMs: wallMs(), delayMs: outcome.delayMs, attempts }
        : { type: 'dead', seq: entry.seq, death: { reason: outcome.reason, atMs: wallMs() }, attempts }
      if (change.type === 'dead') makeRoomForDead(entry.place.length)
      const callback = outcome.kind === 'retry' ? undefined : outcome.callback
      const tell: Staged['done'] = (error) => done(error, true)
      if (callback === undefined) return stageChange(change, tell)
      // One record for both: a torn disk holds neither or both.
      coming.touched.add(entry.seq)
      stagePut(callback, change, tell)
    },
    isUrgent: () => coming.isUrgent,
    cancel(callId, done) {
      coming.isUrgent = true
      const found = [...ledger.entries()].filter((entry) => entry.callId === callId && entry.state !== 'dead' && untouched(entry))
      if (found.length === 0) return done(undefined, 0)
      for (const { seq } of found.slice(1)) stageChange({ type: 'end', seq }, () => undefined)
      stageChange({ type: 'end', seq: found[0]?.seq ?? 0 }, (error) => done(error, found.length))
    },
    redrive(id, done) {
      coming.isUrgent = true
      const entry = deadEntry(id)
      const full = isFull(entry.place.length)
      if (full !== undefined) return done(full, undefined)
      coming.count++
      coming.bytes += entry.place.length
      stageChange({ type: 'redrive', seq: entry.seq, sinceMs: wallMs() }, (error) => done(error, undefined))
    },
    removeDead(id, done) {
      coming.isUrgent = true
      stageChange({ type: 'end', seq: deadEntry(id).seq }, (error) => done(error, undefined))
    },
    commit() {
      if (staged.length === 0) return
      const batch = staged
      staged = []
      coming = createComing()
      const written = batch.flatMap(({ parts }) => parts === undefined ? [] : [parts])
      let places: readonly Place[] = []
      try {
        places = segments.append(written)
        owner.check()
      } catch (cause) {
        const reason = reasonOf(cause)
        report('error', 'the queue cannot be written', { error: reason })
        const error = new BrambleError('UNAVAILABLE', `the queue cannot be written (${reason}): look at the disk of data_dir`, { cause })
        for (const { done } of batch) done(error)
        return
      }
      let at = 0
      for (const { parts, apply, done } of batch) {
        apply(parts === undefined ? undefined : places[at++])
        done(undefined)
      }
    },
    take(lane, wanted, leaseMs) {
      return ledger.lease(lane, wanted, nowMs() + leaseMs).flatMap((entry) => {
        const message = cleaner.read(entry)
        return message === undefined ? [] : [{
          head: message.put.head, body: message.body, lease: ledger.leaseOf(entry), attempts: entry.attempts,
          enqueuedAt: new Date(entry.enqueuedAtMs),
        }]
      })
    },
    extend(leases, leaseMs) {
      for (const lease of leases) {
        const entry = ledger.leased(lease)
        if (entry !== undefined) entry.untilMs = nowMs() + leaseMs
      }
    },
    listDead: ({ service, after, limit }) => [...ledger.deadEntries()]
      .filter(({ seq, lane }) => seq > Number(after ?? 0) && (service === undefined || serviceName(lane.ref) === service))
      .sort((a, b) => a.seq - b.seq)
      .slice(0, limit)
      .map(({ seq, lane, callId, death, attempts, enqueuedAtMs, bodyBytes }): DeadLetter => ({
        id: String(seq), kind: lane.kind, ref: lane.ref, callId, reason: death?.reason ?? '', attempts,
        enqueuedAt: new Date(enqueuedAtMs), diedAt: new Date(death?.atMs ?? 0), bodyBytes,
      })),
    tick: () => ledger.tick(nowMs()),
    untilTickMs() {
      const next = ledger.nextMs()
      return next === undefined ? undefined : Math.max(0, next - nowMs())
    },
    changes: ledger.changes,
    clean: cleaner.step,
  }
}
