/** Lines as they come. The stream ends by itself after a while, so that an update of this service need not wait for it; the id of a line says where to go on. */
import type { Answer } from '@bramble/runtime/service/answer'
import { Problem } from '@bramble/runtime/service/problem'
import { comparePositions, type FoundLine, type Position } from '../logs/line.ts'
import { type LogFilter, matches } from '../logs/log-filter.ts'
import type { LogStore } from '../logs/log-store.ts'
import { seen } from './found-line.ts'

export type TailOptions = {
  readonly store: LogStore
  readonly filter: LogFilter
  readonly after: string | undefined
  readonly isEvents: boolean
  readonly signal: AbortSignal
}

const LONGEST_MS = 25_000
const BEAT_MS = 5000
/** Lines that wait for a slow reader. */
const MAX_QUEUED = 1000
/** Of what was missed between two streams. */
const MAX_MISSED = 1000
const RETRY_MS = 500
/** Each holds a queue. */
const MAX_TAILS = 20
let tails = 0

export function streamTail(options: TailOptions): Answer {
  const after = positionIn(options.after)
  if (tails >= MAX_TAILS) throw new Problem(429, 'busy', `${MAX_TAILS} tails are open, as many as may be`, { headers: { 'retry-after': '5' } })
  return {
    status: 200,
    headers: { 'content-type': options.isEvents ? 'text/event-stream; charset=utf-8' : 'application/x-ndjson; charset=utf-8', 'x-accel-buffering': 'no' },
    body: stream(options, after),
  }
}

async function* stream({ store, filter, isEvents, signal }: TailOptions, after: Position | undefined): AsyncGenerator<Buffer> {
  let queue: FoundLine[] = []
  let [dropped, wake] = [0, (): void => undefined]
  tails++
  const unfollow = store.follow((lines) => {
    for (const one of lines) {
      if (!matches(filter, one.line)) continue
      if (queue.length < MAX_QUEUED) queue.push(one)
      else dropped++
    }
    if (queue.length > 0) wake()
  })
  const onAbort = (): void => wake()
  signal.addEventListener('abort', onAbort)
  try {
    yield Buffer.from(isEvents ? `retry: ${RETRY_MS}\n\n` : '\n')
    let last = after
    if (after !== undefined) {
      for (const one of await store.since(after, filter, MAX_MISSED, signal)) {
        yield written(one, isEvents)
        last = one.position
      }
    }
    const endMs = performance.now() + LONGEST_MS
    while (!signal.aborted && performance.now() < endMs) {
      const taken = queue
      queue = []
      for (const one of taken) {
        // It was there before the queue was looked at, and came out of the store already.
        if (last !== undefined && comparePositions(one.position, last) <= 0) continue
        yield written(one, isEvents)
      }
      if (dropped > 0) {
        const text = JSON.stringify({ dropped })
        dropped = 0
        yield Buffer.from(isEvents ? `event: dropped\ndata: ${text}\n\n` : `${text}\n`)
      }
      if (queue.length > 0) continue
      const isWoken = await new Promise<boolean>((resolve) => {
        const timer = setTimeout(resolve, Math.min(BEAT_MS, Math.max(0, endMs - performance.now())), false)
        wake = () => {
          clearTimeout(timer)
          resolve(true)
        }
      })
      wake = () => undefined
      if (!isWoken) yield Buffer.from(isEvents ? ': still there\n\n' : '\n')
    }
  } finally {
    tails--
    unfollow()
    signal.removeEventListener('abort', onAbort)
  }
}

function written(found: FoundLine, isEvents: boolean): Buffer {
  const line = seen(found)
  const text = JSON.stringify(line)
  return Buffer.from(isEvents ? `id: ${line.id}\ndata: ${text}\n\n` : `${text}\n`)
}

function positionIn(text: string | undefined): Position | undefined {
  if (text === undefined || text === '') return undefined
  const [number, index] = text.split('-')
  return [Number(number), Number(index)]
}
