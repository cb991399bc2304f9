/** What functions write: kept in rings, read back in order, followed across replicas that come and go. */
import type { FunctionRef, LogMessage, LogQuery } from '../../openfaas/types.ts'
import { createFollower, type Follower } from './follower.ts'
import { createRing, type Line, type Ring } from './ring.ts'
import type { Settings } from './settings.ts'

export type Logs = {
  /** A place for the output of a new function. */
  open(ref: FunctionRef): FunctionLogs
}

export type FunctionLogs = {
  /** Where a new replica writes. */
  writer(instance: string): LogWriter
  /** The lines of the port's `logs`. */
  read(query: LogQuery, signal: AbortSignal): AsyncIterable<LogMessage>
  /** The function is gone: followers end, nothing is kept. */
  close(): void
}

export type LogWriter = {
  write(text: string): void
  /** The last lines written by this replica. */
  last(count: number): readonly string[]
  /** No more will come: kept for a while like those of other ended replicas. */
  end(): void
}

export function createLogs({ settings, now }: { settings: Settings; now: () => number }): Logs {
  const rings = new Set<Ring>()
  let totalBytes = 0
  let order = 0

  const add = (ring: Ring, line: Line): void => {
    totalBytes -= ring.bytes()
    ring.add(line)
    totalBytes += ring.bytes()
    if (totalBytes <= settings.logTotalBytes) return
    // Half of the whole is shared out evenly, so that this happens seldom.
    const share = settings.logTotalBytes / 2 / rings.size
    totalBytes = 0
    for (const one of rings) {
      one.trim(share)
      totalBytes += one.bytes()
    }
  }
  const drop = (ring: Ring): void => {
    if (rings.delete(ring)) totalBytes -= ring.bytes()
  }

  const open = (ref: FunctionRef): FunctionLogs => {
    const live: Ring[] = []
    const ended: Ring[] = []
    const followers = new Set<Follower>()
    const asMessage = (line: Line): LogMessage => ({
      name: ref.name, namespace: ref.namespace, instance: line.instance, timestamp: new Date(line.atMs), text: line.text,
    })

    return {
      writer(instance) {
        const ring = createRing(instance, { maxLines: settings.logLines, maxBytes: settings.logBytes })
        rings.add(ring)
        live.push(ring)
        return {
          write(text) {
            const line = { instance, atMs: now(), order: order++, text }
            add(ring, line)
            for (const follower of followers) follower.add(line)
          },
          last: (count) => ring.lines().slice(-count).map((line) => line.text),
          end() {
            const index = live.indexOf(ring)
            if (index < 0) return
            live.splice(index, 1)
            // One that wrote nothing must not push out what others wrote.
            if (ring.lines().length === 0) return drop(ring)
            ended.push(ring)
            while (ended.length > settings.logEndedReplicas) drop(ended.shift() ?? ring)
          },
        }
      },

      async *read(query, signal) {
        const isAsked = (line: Line): boolean =>
          (query.instance === undefined || query.instance === line.instance) &&
          (query.since === undefined || line.atMs >= query.since.getTime())
        const kept = [...ended, ...live].flatMap((ring) => ring.lines()).filter(isAsked).sort((a, b) => a.order - b.order)
        const tail = query.tail === undefined ? kept : kept.slice(Math.max(0, kept.length - query.tail))
        const follower = query.follow ? createFollower(settings.logQueueLines, isAsked, now) : undefined
        if (follower) followers.add(follower)
        const stop = (): void => follower?.end()
        signal.addEventListener('abort', stop)
        try {
          for (const line of tail) {
            if (signal.aborted) return
            yield asMessage(line)
          }
          if (!follower || signal.aborted) return
          for await (const line of follower.lines()) {
            if (signal.aborted) return
            yield asMessage(line)
          }
        } finally {
          signal.removeEventListener('abort', stop)
          if (follower) followers.delete(follower)
        }
      },

      close() {
        for (const ring of [...live.splice(0), ...ended.splice(0)]) drop(ring)
        for (const follower of followers) follower.end()
      },
    }
  }
  return { open }
}
