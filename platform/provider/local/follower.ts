/** One reader of a followed log: a bounded queue between the replicas that write and a reader that may be slow. */
import type { Line } from './ring.ts'

export type Follower = {
  /** Never waits: when the queue is full the line is dropped and counted. */
  add(line: Line): void
  /** Lets the reader have what is queued, then ends. */
  end(): void
  lines(): AsyncIterable<Line>
}

export function createFollower(maxLines: number, isAsked: (line: Line) => boolean, now: () => number): Follower {
  let queue: Line[] = []
  let dropped = 0
  let lastDropped: Line | undefined
  let isEnded = false
  let wake = (): void => undefined

  return {
    add(line) {
      if (isEnded || !isAsked(line)) return
      if (queue.length >= maxLines || dropped > 0) {
        dropped++
        lastDropped = line
      } else queue.push(line)
      wake()
    },
    end() {
      isEnded = true
      wake()
    },
    async *lines() {
      while (true) {
        const batch = queue
        queue = []
        yield* batch
        if (dropped > 0 && queue.length === 0 && lastDropped) {
          const text = `[bramble] ${dropped} lines left out here: they came faster than they were read`
          const notice = { instance: lastDropped.instance, order: lastDropped.order, atMs: now(), text }
          dropped = 0
          yield notice
        } else if (queue.length === 0) {
          if (isEnded) return
          await new Promise<void>((resolve) => { wake = resolve })
        }
      }
    },
  }
}
