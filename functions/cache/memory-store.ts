/**
 * Entries in the memory of this process, bounded by bytes: keys, values, tags and what V8 needs around them. The entry that was
 * used longest ago goes first. Nothing here waits but `retain`, so every other call is one step.
 */
import { randomBytes } from 'node:crypto'
import {
  costOf, costOfSpace, keptValue, type KeptEntry, MAX_SHARED_TYPES, shownEntry, type Space,
} from './kept-entry.ts'
import { createRecency } from './recency.ts'
import type { Draft, Entry, Store } from './store.ts'

export type MemoryStoreDeps = {
  readonly limitBytes: number
  /** A clock that never goes back, in milliseconds. */
  readonly nowMs: () => number
}

/** With each write so many of the entries used longest ago are looked at: what is past its time goes before it is in the way. */
const SWEPT_PER_WRITE = 2
/** Looked at between two other calls: a millisecond or two on a small board. */
const LOOKED_AT_ONCE = 2_000
const RUN_ID_BYTES = 6

type Sync<T extends keyof Store> = { readonly [Name in T]: (...args: Parameters<Store[Name]>) => Awaited<ReturnType<Store[Name]>> }
type MemoryStore = Sync<Exclude<keyof Store, 'retain'>> & Pick<Store, 'retain'>

export function createMemoryStore({ limitBytes, nowMs }: MemoryStoreDeps): MemoryStore {
  const spaces = new Map<string, Space>()
  const recency = createRecency<KeptEntry>()
  const sharedTypes = new Map<string, string>()
  /** Versions of another process, or of this one before a restart, must not look like these. */
  const runId = randomBytes(RUN_ID_BYTES).toString('hex')
  let lastVersion = 0
  let bytes = 0
  let entries = 0
  /** Where the sweep goes on: it walks from the entry used longest ago to the newest, and begins again. */
  let sweptNext: KeptEntry | undefined
  const counts = { hits: 0, staleHits: 0, misses: 0, writes: 0, removals: 0, evictions: 0, expirations: 0 }

  const versionText = (version: number): string => `${runId}-${version.toString(36)}`
  const isOver = (one: KeptEntry, now: number): boolean => one.freshUntilMs + one.staleMs <= now

  const drop = (one: KeptEntry): void => {
    const { space } = one
    if (one === sweptNext) sweptNext = one.newer
    untag(one)
    space.entries.delete(one.key)
    recency.remove(one)
    bytes -= costOf(one)
    entries--
    if (space.entries.size > 0) return
    spaces.delete(space.name)
    bytes -= costOfSpace(space)
  }

  const untag = (one: KeptEntry): void => {
    for (const tag of one.tags) {
      const tagged = one.space.tags?.get(tag)
      tagged?.delete(one)
      if (tagged?.size === 0) one.space.tags?.delete(tag)
    }
  }

  const tagged = (one: KeptEntry): void => {
    for (const tag of one.tags) {
      const tags = one.space.tags ??= new Map()
      const all = tags.get(tag)
      if (all === undefined) tags.set(tag, new Set([one]))
      else all.add(one)
    }
  }

  /** The entry, unless its time is over. */
  const find = (space: string, key: string, now: number): KeptEntry | undefined => {
    const one = spaces.get(space)?.entries.get(key)
    if (one === undefined || !isOver(one, now)) return one
    counts.expirations++
    drop(one)
    return undefined
  }

  const openSpace = (name: string): Space => {
    const present = spaces.get(name)
    if (present !== undefined) return present
    const made: Space = { name, entries: new Map(), tags: undefined }
    spaces.set(name, made)
    bytes += costOfSpace(made)
    return made
  }

  const sharedType = (type: string): string => {
    const shared = sharedTypes.get(type)
    if (shared !== undefined) return shared
    if (sharedTypes.size < MAX_SHARED_TYPES) sharedTypes.set(type, type)
    return type
  }

  const write = (spaceName: string, key: string, draft: Draft, now: number): KeptEntry => {
    counts.writes++
    const content = {
      value: keptValue(draft),
      contentType: sharedType(draft.contentType),
      version: ++lastVersion,
      freshUntilMs: draft.freshMs === undefined ? Infinity : now + draft.freshMs,
      staleMs: draft.staleMs,
      tags: draft.tags,
    }
    const space = openSpace(spaceName)
    let one = space.entries.get(key)
    if (one === undefined) {
      one = { space, key, ...content, older: undefined, newer: undefined }
      space.entries.set(key, one)
      recency.add(one)
      entries++
    } else {
      untag(one)
      bytes -= costOf(one)
      Object.assign(one, content)
      recency.touch(one)
    }
    tagged(one)
    bytes += costOf(one)
    return one
  }

  const makeRoom = (now: number): void => {
    for (let i = 0; i < SWEPT_PER_WRITE; i++) {
      const one = sweptNext ?? recency.oldest()
      if (one === undefined) return
      sweptNext = one.newer
      if (!isOver(one, now)) continue
      counts.expirations++
      drop(one)
    }
    for (let one = recency.oldest(); bytes > limitBytes && one !== undefined; one = recency.oldest()) {
      counts.evictions++
      drop(one)
    }
  }

  const removeAll = (all: Iterable<KeptEntry>): number => {
    const now = nowMs()
    let count = 0
    for (const one of [...all]) {
      if (isOver(one, now)) counts.expirations++
      else count++
      drop(one)
    }
    counts.removals += count
    return count
  }

  const shown = (one: KeptEntry, now: number): Entry => shownEntry(one, versionText(one.version), now)

  return {
    get(space, key) {
      const now = nowMs()
      const one = find(space, key, now)
      if (one === undefined) {
        counts.misses++
        return undefined
      }
      if (one.freshUntilMs > now) counts.hits++
      else counts.staleHits++
      recency.touch(one)
      return shown(one, now)
    },
    update(space, key, change) {
      const now = nowMs()
      const present = find(space, key, now)
      const draft = change(present && shown(present, now))
      if (draft === undefined) {
        if (present !== undefined) removeAll([present])
        return undefined
      }
      const one = write(space, key, draft, now)
      makeRoom(now)
      return shown(one, now)
    },
    putAll(space, drafts) {
      const now = nowMs()
      const versions = drafts.map(([key, draft]) => versionText(write(space, key, draft, now).version))
      makeRoom(now)
      return versions
    },
    removeTagged(space, tags) {
      const all = new Set<KeptEntry>()
      for (const tag of tags) for (const one of spaces.get(space)?.tags?.get(tag) ?? []) all.add(one)
      return removeAll(all)
    },
    clear: (space) => removeAll(spaces.get(space)?.entries.values() ?? []),
    async retain(isKept) {
      let count = 0
      let looked = 0
      for (const space of spaces.values()) {
        for (const one of space.entries.values()) {
          if (!isKept(space.name, one.key)) count += removeAll([one])
          // After it: what comes next is what is there then.
          if (++looked % LOOKED_AT_ONCE === 0) await new Promise((resolve) => setImmediate(resolve))
        }
      }
      return count
    },
    stats: () => ({ ...counts, entries, spaces: spaces.size, bytes, limitBytes }),
  }
}
