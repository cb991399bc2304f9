/**
 * One kind of object in memory: listed once, then followed. While the API is away what was seen last stays; when its
 * history is gone (410) everything is listed again, and only the difference is told.
 */
import type { IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { backoffMs } from '../../lib/backoff.ts'
import { reasonOf } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import type { Client, Query } from './client.ts'
import { ApiError, isApiError } from './errors.ts'
import { listAt, numberAt, objectAt, textAt } from './json.ts'
import { versionOf, viewObject, type ObjectView } from './objects.ts'

export type Watched<T extends ObjectView> = {
  readonly items: ReadonlyMap<string, T>
  /** Fills the memory, then follows. Waits for an API that is away; rejects when it refuses. */
  start(): Promise<void>
  stop(): Promise<void>
  /** What a write of ours answered: it is known at once, not when the watch says so. */
  put(object: unknown): void
  /** The same object seen better. */
  set(item: T): void
  /** Removed by us. */
  drop(key: string, uid: string): void
}

export type WatchDeps<T extends ObjectView> = {
  readonly client: Client
  readonly path: string
  readonly query?: Query
  /** `undefined` for what is of no interest. */
  readonly view: (object: unknown) => T | undefined
  readonly onChange: (before: T | undefined, after: T | undefined) => void
  readonly log: Log
}

/** Each page is parsed as a whole: small ones keep the peak small. */
const PAGE_ITEMS = 20
/** The server ends a watch after this, and it is opened again from where it was. */
const WATCH_SECONDS = 290
/** Bookmarks come about every minute: a watch that is silent for longer is on a dead connection. */
const SILENCE_MS = 90_000
/** A server that ends watches sooner than this without a word is not to be asked in a tight loop. */
const SHORT_MS = 1_000
const RETRY = { firstMs: 50, maxMs: 2_000 }

export function createWatch<T extends ObjectView>(deps: WatchDeps<T>): Watched<T> {
  const { client, path, query = {}, view, onChange } = deps
  const log = deps.log.child({ path })
  const items = new Map<string, T>()
  /** Removed by us, still told of by the watch. */
  const dropped = new Set<string>()
  let stopping = new AbortController()
  let running: Promise<void> | undefined
  let version: string | undefined
  let lastVersion: string | undefined

  const set = (key: string, after: T | undefined): void => {
    const before = items.get(key)
    if (!before && !after) return
    if (after) items.set(key, after)
    else items.delete(key)
    onChange(before, after)
  }
  const put = (object: unknown, isNewest = false): void => {
    const base = viewObject(object)
    if (!base || dropped.has(base.uid)) return
    const known = items.get(base.key)
    if (known && !isNewest && known.version >= base.version) return
    set(base.key, view(object))
  }
  const drop = (key: string, uid: string): void => {
    if (items.get(key)?.uid === uid) set(key, undefined)
  }

  const list = async (signal: AbortSignal): Promise<void> => {
    const seen = new Set<string>()
    const uids = new Set<string>()
    let from: string | undefined
    let listed: string | undefined
    // A server that was restored from a backup counts from a smaller number: what it says is the newest all the same.
    const isRestored = (): boolean => versionOf(listed) < versionOf(lastVersion)
    do {
      const page = await client.get(path, { ...query, limit: PAGE_ITEMS, continue: from }, signal)
      listed ??= textAt(page, 'metadata', 'resourceVersion')
      for (const object of listAt(page, 'items')) {
        const base = viewObject(object)
        seen.add(base?.key ?? '')
        uids.add(base?.uid ?? '')
        put(object, isRestored())
      }
      from = textAt(page, 'metadata', 'continue') || undefined
    } while (from !== undefined)
    // What a write of ours put here meanwhile is younger than the list.
    for (const [key, item] of items) if (!seen.has(key) && (isRestored() || item.version <= versionOf(listed))) set(key, undefined)
    for (const uid of dropped) if (!uids.has(uid)) dropped.delete(uid)
    if (isRestored()) log.warn('the Kubernetes API counts from an earlier version: it was restored', { version: listed, before: lastVersion })
    version = listed ?? '0'
    lastVersion = version
  }

  const take = (line: string): void => {
    const event: unknown = JSON.parse(line)
    const type = textAt(event, 'type')
    const object = objectAt(event, 'object')
    if (type === 'ERROR') throw new ApiError(numberAt(object, 'code') ?? 0, textAt(object, 'reason') ?? '', textAt(object, 'message') ?? '')
    version = textAt(object, 'metadata', 'resourceVersion') ?? version
    lastVersion = version
    if (type === 'ADDED' || type === 'MODIFIED') put(object)
    if (type === 'DELETED') {
      const base = viewObject(object)
      if (!base) return
      drop(base.key, base.uid)
      dropped.delete(base.uid)
    }
  }

  const follow = async (signal: AbortSignal): Promise<void> => {
    const response = await client.open(path, {
      ...query, watch: true, allowWatchBookmarks: true, resourceVersion: version, timeoutSeconds: WATCH_SECONDS,
    }, signal)
    for await (const line of linesOf(response, SILENCE_MS)) take(line)
  }

  const run = async (onFilled: () => void, onRefused: (error: unknown) => void): Promise<void> => {
    const { signal } = stopping
    let failures = 0
    let isFilled = false
    while (!signal.aborted) {
      const beganAt = performance.now()
      try {
        if (version === undefined) {
          await list(signal)
          isFilled = true
          if (failures > 0) log.info('the Kubernetes API is back', { failures })
          onFilled()
        }
        await follow(signal)
        failures = performance.now() - beganAt < SHORT_MS ? failures + 1 : 0
      } catch (error) {
        if (signal.aborted) return
        if (!isFilled && (isApiError(error, 401) || isApiError(error, 403) || isApiError(error, 404))) return onRefused(error)
        // Gone for good: the history that was asked for, or a watch that another kind of server ends this way.
        if (isApiError(error, 410)) version = undefined
        if (performance.now() - beganAt > SHORT_MS) failures = 0
        failures++
        if (failures === 1 || failures % 20 === 0) log.warn('a watch of the Kubernetes API ended', { error: reasonOf(error), failures })
      }
      await sleep(backoffMs(failures, RETRY), undefined, { signal }).catch(() => undefined)
    }
  }

  return {
    items,
    put,
    set: (item) => set(item.key, item),
    drop(key, uid) {
      dropped.add(uid)
      drop(key, uid)
    },
    async start() {
      if (running) return
      stopping = new AbortController()
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      running = run(resolve, reject).finally(resolve)
      try {
        await promise
      } catch (error) {
        running = undefined
        throw error
      }
    },
    async stop() {
      stopping.abort()
      await running
      running = undefined
      version = undefined
      items.clear()
      dropped.clear()
    },
  }
}

/** Lines as they come; fails when there are none for so long. */
export async function* linesOf(response: IncomingMessage, silenceMs: number): AsyncGenerator<string> {
  const timer = setTimeout(() => response.destroy(new Error(`nothing for ${silenceMs} ms`)), silenceMs)
  try {
    response.setEncoding('utf8')
    let rest = ''
    for await (const chunk of response) {
      timer.refresh()
      const lines = (rest + String(chunk)).split('\n')
      rest = lines.pop() ?? ''
      yield* lines.filter((line) => line !== '')
    }
    if (rest !== '') yield rest
  } finally {
    clearTimeout(timer)
  }
}
