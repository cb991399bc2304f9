/**
 * Follows the log of every function there is. After a broken connection, a restart of the platform or one of this service, reading goes
 * on a little before the last line that is kept, and what is there already is left out: no gaps while the platform still has the
 * lines, no doubles.
 */
import type { Log } from '@bramble/runtime'
import type { Line } from '../logs/line.ts'
import type { LogStore } from '../logs/log-store.ts'
import { createLineCounter } from './count-lines.ts'
import { functionsIn, lineIn, namespacesIn } from './platform-lines.ts'
import type { Platform } from './platform.ts'
import { createRate } from './rate.ts'

export type LogCollector = {
  start(): void
  stop(): Promise<void>
  /** `NAME.NAMESPACE` of those that are followed. */
  functions(): readonly string[]
  stats(): CollectorStats
}

export type CollectorStats = {
  readonly following: number
  readonly collected: number
  /** By function: lines that came faster than they may. */
  readonly dropped: ReadonlyMap<string, number>
  /** Why nothing is read, where that is so. */
  readonly trouble: string | undefined
}

export type LogCollectorDeps = {
  readonly platform: Platform
  readonly store: LogStore
  readonly log: Log
  readonly nowMs: () => number
  /** Of one function. */
  readonly linesPerSecond: number
  readonly burstLines: number
}

const LIST_EVERY_MS = 5000
/** Lines of several replicas do not come exactly in order of time. */
const OVERLAP_MS = 60_000
const FIRST_RETRY_MS = 500
const MAX_RETRY_MS = 10_000
/** Lines that are written at once. */
const BATCH_LINES = 500
/** Beyond this functions are left out: each costs a connection. */
const MAX_FUNCTIONS = 300
const FLOOD_LINES = 500
const FLOOD_PAUSE_MS = 100
const SAY_DROPPED_EVERY_MS = 10_000

export function createLogCollector({ platform, store, log, nowMs, linesPerSecond, burstLines }: LogCollectorDeps): LogCollector {
  const readers = new Map<string, AbortController>()
  const running = new Set<Promise<void>>()
  const dropped = new Map<string, number>()
  const stopped = new AbortController()
  let collected = 0
  let trouble: string | undefined
  let timer: NodeJS.Timeout | undefined

  const sleep = (ms: number, signal: AbortSignal): Promise<void> => new Promise((resolve) => {
    const wake = (): void => {
      clearTimeout(waiting)
      signal.removeEventListener('abort', wake)
      resolve()
    }
    const waiting = setTimeout(wake, ms)
    signal.addEventListener('abort', wake)
    if (signal.aborted) wake()
  })

  /** Once through the log, until the connection ends. Answers whether a line came. */
  const read = async (name: string, namespace: string, signal: AbortSignal, keep: (line: Line) => Line | undefined): Promise<boolean> => {
    const known = store.cursors(name, namespace)
    const lastMs = Math.max(-1, ...Array.from(known.values(), ({ timeMs }) => timeMs))
    const since = lastMs < 0 ? '' : `&since=${encodeURIComponent(new Date(Math.max(0, lastMs - OVERLAP_MS)).toISOString())}`
    const count = createLineCounter(known)
    let hasRead = false
    let batch: Line[] = []
    let writing: Promise<void> = Promise.resolve()
    let [unwritten, leftOut] = [0, 0]
    let failure: unknown
    const flush = (): void => {
      if (batch.length === 0) return
      const lines = batch
      batch = []
      unwritten += lines.length
      writing = writing.then(async () => { await store.append(lines) })
        .then(() => { collected += lines.length }, (error: unknown) => { failure ??= error })
        .finally(() => { unwritten -= lines.length })
    }
    let isFlushAsked = false
    try {
      for await (const text of platform.lines(`/system/logs?name=${name}&namespace=${namespace}&follow=1${since}`, signal)) {
        if (failure !== undefined) throw failure
        hasRead = true
        const parsed = lineIn(text)
        const fresh = parsed && count(parsed)
        const line = fresh && keep(fresh)
        if (line === undefined) {
          // A flood is read no faster than this: there are others, and who wrote it is told.
          if (fresh !== undefined && ++leftOut % FLOOD_LINES === 0) await sleep(FLOOD_PAUSE_MS, signal)
          continue
        }
        batch.push(line)
        if (batch.length + unwritten >= BATCH_LINES) {
          flush()
          // The disk is slower than the log: the connection waits, and the platform counts what it leaves out.
          await writing
        } else if (!isFlushAsked) {
          isFlushAsked = true
          setImmediate(() => {
            isFlushAsked = false
            flush()
          })
        }
      }
    } finally {
      flush()
      await writing
      if (failure !== undefined) log.warn('lines could not be kept', { function: name, namespace, error: failure })
    }
    return hasRead
  }

  const follow = async (name: string, namespace: string, signal: AbortSignal): Promise<void> => {
    const service = `${name}.${namespace}`
    const rate = createRate(linesPerSecond, burstLines, nowMs)
    let [left, saidMs] = [0, 0]
    const keep = (line: Line): Line | undefined => {
      if (!rate.take()) {
        left++
        dropped.set(service, (dropped.get(service) ?? 0) + 1)
        return undefined
      }
      if (left === 0 || nowMs() - saidMs < SAY_DROPPED_EVERY_MS) return line
      const told = left
      store.append([{ ...line, level: 3, nth: 0, text: JSON.stringify({ level: 'warn', message: 'lines were left out: they came too fast', lines: told }) }]).catch((error: unknown) => {
        left += told
        log.warn('lines could not be kept', { function: name, namespace, error })
      })
      left = 0
      saidMs = nowMs()
      return line
    }
    for (let failures = 0; !signal.aborted;) {
      try {
        failures = await read(name, namespace, signal, keep) ? 0 : failures + 1
      } catch (error) {
        failures++
        if (!signal.aborted) log.debug('the log of a function broke off', { function: name, namespace, error })
      }
      await sleep(Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures, 10)), signal)
    }
  }

  const list = async (): Promise<void> => {
    const namespaces = namespacesIn(await platform.json('/system/namespaces'))
    const found = new Set<string>()
    for (const namespace of namespaces.length > 0 ? namespaces : ['openfaas-fn']) {
      for (const { name } of functionsIn(await platform.json(`/system/functions?namespace=${encodeURIComponent(namespace)}`))) {
        const service = `${name}.${namespace}`
        found.add(service)
        if (readers.has(service) || readers.size >= MAX_FUNCTIONS) continue
        const reader = new AbortController()
        readers.set(service, reader)
        const run = follow(name, namespace, reader.signal).finally(() => {
          running.delete(run)
          if (!readers.has(service)) dropped.delete(service)
        })
        running.add(run)
      }
    }
    for (const [service, reader] of readers) {
      if (found.has(service)) continue
      readers.delete(service)
      reader.abort()
    }
  }

  const look = async (): Promise<void> => {
    try {
      await list()
      trouble = undefined
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      if (reason !== trouble) log.warn('the platform cannot be asked for its functions', { error: reason })
      trouble = reason
    }
    if (!stopped.signal.aborted) timer = setTimeout(look, LIST_EVERY_MS)
  }

  return {
    start: () => void look(),
    async stop() {
      stopped.abort()
      clearTimeout(timer)
      for (const reader of readers.values()) reader.abort()
      readers.clear()
      await Promise.all(running)
    },
    functions: () => [...readers.keys()],
    stats: () => ({ following: readers.size, collected, dropped, trouble }),
  }
}
