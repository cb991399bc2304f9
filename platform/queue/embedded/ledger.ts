/**
 * Which messages there are and how they stand, in memory; their bodies are on the disk. It decides nothing about the
 * disk and has no clock: `nowMs` is monotonic, so that a wall clock that jumps neither hurries nor delays anything.
 */
import type { FunctionRef } from '../../openfaas/types.ts'
import { laneName, type Head, type LaneState } from '../queue.ts'
import { createHeap, type Heap } from './heap.ts'
import type { Change, Death, Put } from './records.ts'
import type { Place } from './segments.ts'

export type Entry = {
  readonly seq: number
  readonly lane: Lane
  readonly callId: string
  readonly bodyBytes: number
  readonly enqueuedAtMs: number
  place: Place
  attempts: number
  sinceMs: number
  delayMs: number
  state: 'due' | 'delayed' | 'leased' | 'dead' | 'gone'
  /** When it is due, or its lease ends; monotonic. */
  untilMs: number
  /** Counts the leases of this entry. */
  leases: number
  death: Death | undefined
}

type Lane = {
  readonly name: string
  readonly ref: FunctionRef
  readonly kind: Head['kind']
  due: number
  delayed: number
  leased: number
  dead: number
  /** By age; entries that are not due any more are skipped. */
  readonly line: Heap<Entry>
}

export type Ledger = {
  /** A new message, or a copy of one that moved on the disk. */
  put(put: Put, place: Place, bodyBytes: number, wallMs: number, nowMs: number): void
  /** `false` when there is no such message. */
  apply(change: Change, wallMs: number, nowMs: number): boolean
  /** It lies elsewhere on the disk now. */
  move(entry: Entry, place: Place): void
  /** The disk has lost it. */
  forget(entry: Entry): void
  get(seq: number): Entry | undefined
  /** The entry under this lease, as long as it lasts. */
  leased(lease: string): Entry | undefined
  leaseOf(entry: Entry): string
  lease(lane: string, limits: { readonly count: number; readonly bytes: number }, untilMs: number): readonly Entry[]
  release(entry: Entry): void
  /** Makes due what is: delayed messages whose time has come, leases that have ended. */
  tick(nowMs: number): void
  /** When `tick` is worth calling next; `undefined` while nothing waits for a time. */
  nextMs(): number | undefined
  entries(): Iterable<Entry>
  /** In the order in which they died. */
  deadEntries(): Iterable<Entry>
  /** Lanes that changed since the last call. */
  changes(): readonly LaneState[]
  /** Messages that are not dead. */
  readonly live: { count: number; bytes: number }
  readonly dead: { count: number; bytes: number }
}

/** `epoch` tells the leases of this ledger from those of an earlier one. */
export function createLedger(epoch: string): Ledger {
  const entries = new Map<number, Entry>()
  const lanes = new Map<string, Lane>()
  const delayed = createHeap<Entry>((a, b) => a.untilMs < b.untilMs)
  const leased = new Set<Entry>()
  const deadOnes = new Set<Entry>()
  const changed = new Set<Lane>()
  const live = { count: 0, bytes: 0 }
  const dead = { count: 0, bytes: 0 }

  const laneOf = (head: Head): Lane => {
    const name = laneName(head)
    let lane = lanes.get(name)
    if (lane === undefined) {
      lane = { name, ref: head.ref, kind: head.kind, due: 0, delayed: 0, leased: 0, dead: 0, line: createHeap<Entry>((a, b) => a.seq < b.seq) }
      lanes.set(name, lane)
    }
    return lane
  }
  const count = (entry: Entry, sign: 1 | -1): void => {
    const { state, lane } = entry
    if (state === 'gone') return
    lane[state] += sign
    const sum = state === 'dead' ? dead : live
    sum.count += sign
    sum.bytes += sign * entry.place.length
    changed.add(lane)
  }
  const turn = (entry: Entry, state: Entry['state'], untilMs = 0): void => {
    count(entry, -1)
    leased.delete(entry)
    deadOnes.delete(entry)
    entry.state = state
    entry.untilMs = untilMs
    count(entry, 1)
    if (state === 'due') entry.lane.line.push(entry)
    else if (state === 'delayed') delayed.push(entry)
    else if (state === 'leased') leased.add(entry)
    else if (state === 'dead') deadOnes.add(entry)
    else if (state === 'gone') entries.delete(entry.seq)
  }
  /** Due `delayMs` after `sinceMs`, but never later than that from now: the wall clock may have gone back. */
  const wait = (entry: Entry, sinceMs: number, delayMs: number, wallMs: number, nowMs: number): void => {
    entry.sinceMs = sinceMs
    entry.delayMs = delayMs
    const leftMs = Math.min(delayMs, sinceMs + delayMs - wallMs)
    if (leftMs <= 0) turn(entry, 'due')
    else turn(entry, 'delayed', nowMs + leftMs)
  }

  const leaseOf = ({ seq, leases }: Entry): string => `${epoch}.${seq}.${leases}`

  return {
    live,
    dead,
    put(put, place, bodyBytes, wallMs, nowMs) {
      const present = entries.get(put.seq)
      if (present !== undefined) turn(present, 'gone')
      const entry: Entry = {
        seq: put.seq, lane: laneOf(put.head), callId: put.head.callId, bodyBytes, enqueuedAtMs: put.enqueuedAtMs, place,
        attempts: put.attempts, sinceMs: put.sinceMs, delayMs: put.delayMs, state: 'gone', untilMs: 0, leases: 0, death: put.death,
      }
      entries.set(entry.seq, entry)
      if (put.death !== undefined) turn(entry, 'dead')
      else wait(entry, put.sinceMs, put.delayMs, wallMs, nowMs)
    },
    apply(change, wallMs, nowMs) {
      const entry = entries.get(change.seq)
      if (entry === undefined) return false
      switch (change.type) {
        case 'end':
          turn(entry, 'gone')
          break
        case 'retry':
          entry.attempts = change.attempts
          wait(entry, change.sinceMs, change.delayMs, wallMs, nowMs)
          break
        case 'dead':
          entry.attempts = change.attempts
          entry.death = change.death
          turn(entry, 'dead')
          break
        case 'redrive':
          entry.attempts = 0
          entry.death = undefined
          wait(entry, change.sinceMs, 0, wallMs, nowMs)
          break
      }
      return true
    },
    move(entry, place) {
      const sum = entry.state === 'dead' ? dead : live
      sum.bytes += place.length - entry.place.length
      entry.place = place
    },
    forget: (entry) => turn(entry, 'gone'),
    get: (seq) => entries.get(seq),
    leased(lease) {
      const [, seq] = lease.split('.')
      const entry = entries.get(Number(seq))
      return entry?.state === 'leased' && leaseOf(entry) === lease ? entry : undefined
    },
    leaseOf,
    lease(name, limits, untilMs) {
      const lane = lanes.get(name)
      const taken: Entry[] = []
      let bytes = 0
      while (lane !== undefined && taken.length < limits.count && (taken.length === 0 || bytes < limits.bytes)) {
        const entry = lane.line.pop()
        if (entry === undefined) break
        if (entry.state !== 'due') continue
        entry.leases++
        turn(entry, 'leased', untilMs)
        taken.push(entry)
        bytes += entry.bodyBytes
      }
      return taken
    },
    release: (entry) => turn(entry, 'due'),
    tick(nowMs) {
      for (let entry = delayed.peek(); entry !== undefined && (entry.state !== 'delayed' || entry.untilMs <= nowMs); entry = delayed.peek()) {
        delayed.pop()
        if (entry.state === 'delayed') turn(entry, 'due')
      }
      for (const entry of leased) if (entry.untilMs <= nowMs) turn(entry, 'due')
    },
    nextMs() {
      let next = delayed.peek()?.untilMs
      for (const { untilMs } of leased) if (next === undefined || untilMs < next) next = untilMs
      return next
    },
    entries: () => entries.values(),
    deadEntries: () => deadOnes,
    changes() {
      const states = [...changed].map(({ name, ref, kind, due, delayed, leased, dead }): LaneState => ({ name, ref, kind, due, delayed, leased, dead }))
      for (const lane of changed) if (lane.due + lane.delayed + lane.leased + lane.dead === 0) lanes.delete(lane.name)
      changed.clear()
      return states
    },
  }
}
