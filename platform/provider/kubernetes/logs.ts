/** Logs of all replicas of a function, from the kubelets through the API server; with `follow` also of those to come. */
import { BrambleError, reasonOf } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import type { FunctionRef, LogMessage, LogQuery } from '../../openfaas/types.ts'
import type { Client, Query } from './client.ts'
import type { Cluster } from './cluster.ts'
import { isApiError } from './errors.ts'
import { byTime, parseLogLine, type LogLine } from './log-lines.ts'
import type { PodView } from './objects.ts'
import { paths } from './paths.ts'
import { linesOf } from './watch.ts'

export type Logs = { read(query: LogQuery, signal: AbortSignal): AsyncGenerator<LogMessage> }

export type LogsDeps = {
  readonly client: Client
  readonly cluster: Cluster
  /** Calls back when something about a function has changed. Returns the way to stop. */
  readonly onChange: (listener: (ref: FunctionRef) => void) => () => void
  readonly log: Log
}

/** One life of a container: the present one, or the one before it, which the kubelet keeps too. */
type Source = { readonly pod: PodView; readonly restarts: number; readonly instance: string }
type InstanceLine = LogLine & { readonly instance: string }

/** What may wait for a slow reader of a followed log. */
const MAX_QUEUED = 5_000
/** A followed log may be silent for long; the connection's end is noticed otherwise. */
const SILENCE_MS = 2 ** 31 - 1

export function createLogs({ client, cluster, onChange, log }: LogsDeps): Logs {
  const sourcesOf = (query: LogQuery): readonly Source[] => cluster.pods(query).flatMap((pod) =>
    [pod.restarts - 1, pod.restarts].filter((restarts) => restarts >= 0).map((restarts) => ({
      pod, restarts, instance: restarts === 0 ? pod.name : `${pod.name}.${restarts}`,
    }))).filter(({ pod, instance }) => query.instance === undefined || query.instance === instance || query.instance === pod.name)

  async function* linesFrom({ pod, restarts, instance }: Source, more: Query, signal: AbortSignal): AsyncGenerator<InstanceLine> {
    const response = await client.open(paths.podLog(pod.namespace, pod.name), {
      container: pod.functionName, timestamps: true, previous: restarts < pod.restarts || undefined, ...more,
    }, signal)
    for await (const text of linesOf(response, SILENCE_MS)) {
      const line = parseLogLine(text)
      if (line) yield { ...line, instance }
    }
  }

  /** A container that has not started has no log, one that is gone has none any more. */
  async function* quietly(lines: AsyncGenerator<InstanceLine>, pod: PodView): AsyncGenerator<InstanceLine> {
    try {
      yield* lines
    } catch (error) {
      if (isApiError(error, 400) || isApiError(error, 404)) return
      log.debug('the log of a replica ended', { pod: pod.name, error: reasonOf(error) })
    }
  }

  /** What is there now, in order; `last` learns where each replica's lines end. */
  async function* history(query: LogQuery, last: Map<string, LogLine>, signal: AbortSignal): AsyncGenerator<InstanceLine> {
    const { tail, since } = query
    const isShort = tail !== undefined && tail > 0
    const more = { sinceTime: wholeSecond(since), tailLines: isShort ? tail : undefined }
    const sources = sourcesOf(query).map((source) => quietly(linesFrom(source, more, signal), source.pod))
    const ring: InstanceLine[] = []
    for await (const line of inOrder(sources)) {
      last.set(line.instance, line)
      if (since && line.atMs < since.getTime()) continue
      if (!isShort) yield line
      else if (ring.push(line) > tail) ring.shift()
    }
    yield* ring
  }

  return {
    async *read(query, signal) {
      const { name, namespace } = query
      if (!cluster.deployment(query)) {
        throw new BrambleError('NOT_FOUND', `function ${name} is not deployed in namespace ${namespace}`)
      }
      const messageOf = ({ instance, atMs, text }: InstanceLine): LogMessage => ({ name, namespace, instance, timestamp: new Date(atMs), text })
      if (!query.follow) {
        for await (const line of history(query, new Map(), signal)) yield messageOf(line)
        return
      }

      const ended = new AbortController()
      const stop = AbortSignal.any([signal, ended.signal])
      const queue: InstanceLine[] = []
      let leftOut = 0
      let wake = (): void => undefined
      const last = new Map<string, LogLine>()
      const following = new Set<string>()
      const follow = (source: Source): void => {
        const { instance } = source
        if (following.has(instance)) return
        following.add(instance)
        void (async () => {
          const from = last.get(instance)
          const sinceTime = wholeSecond(from ? new Date(from.atMs) : query.since)
          for await (const line of quietly(linesFrom(source, { follow: true, sinceTime }, stop), source.pod)) {
            const before = last.get(instance)
            if ((before && byTime(line, before) <= 0) || (query.since && line.atMs < query.since.getTime())) continue
            last.set(instance, line)
            if (queue.length < MAX_QUEUED) queue.push(line)
            else leftOut++
            wake()
          }
          // Not started yet, or cut off: the next change of the pod goes on after the last line.
          following.delete(instance)
        })()
      }
      const onAbort = (): void => wake()
      const unlisten = onChange((ref) => {
        if (ref.name !== name || ref.namespace !== namespace) return
        if (!cluster.deployment(query)) ended.abort()
        else for (const source of sourcesOf(query)) follow(source)
      })
      stop.addEventListener('abort', onAbort)
      try {
        for await (const line of history(query, last, stop)) yield messageOf(line)
        for (const source of sourcesOf(query)) follow(source)
        while (true) {
          for (const line of queue.splice(0)) yield messageOf(line)
          if (leftOut > 0) {
            yield { name, namespace, instance: '', timestamp: new Date(), text: `[bramble] ${leftOut} lines left out here: they came faster than they were read` }
            leftOut = 0
          }
          if (stop.aborted) return
          if (queue.length === 0) await new Promise<void>((resolve) => { wake = resolve })
        }
      } finally {
        unlisten()
        ended.abort()
        stop.removeEventListener('abort', onAbort)
      }
    },
  }
}

/** Of each only the next line is held, however long they are: the kubelets keep 10 MiB of each. */
async function* inOrder(sources: readonly AsyncGenerator<InstanceLine>[]): AsyncGenerator<InstanceLine> {
  const heads = await Promise.all(sources.map(async (source) => ({ source, next: await source.next() })))
  try {
    while (true) {
      let first: (typeof heads)[number] | undefined
      for (const head of heads) {
        if (!head.next.done && (!first || first.next.done || byTime(head.next.value, first.next.value) < 0)) first = head
      }
      if (!first || first.next.done) return
      yield first.next.value
      first.next = await first.source.next()
    }
  } finally {
    await Promise.all(sources.map((source) => source.return(undefined)))
  }
}

/** The kubelet takes whole seconds; the rest is ours to filter. */
function wholeSecond(time: Date | undefined): string | undefined {
  return time && new Date(Math.floor(time.getTime() / 1000) * 1000).toISOString()
}
