/** Calls at a fixed rate, sent when planned whatever became of those before; each failure with its moment. */
import { Agent, request } from 'node:http'

export type Failure = { readonly startedMs: number; readonly endedMs: number; readonly what: string }
export type LoadResult = {
  readonly calls: number
  readonly failures: readonly Failure[]
  readonly p50Ms: number
  readonly p99Ms: number
}

const TICK_MS = 10
/** Longer than any time limit of the gateway: what hangs is seen as what it is. */
const TIMEOUT_MS = 90_000

/** Starts at once; `stop` waits for the calls under way. */
export function startLoad(url: string, { perSecond, method = 'POST' }: { readonly perSecond: number; readonly method?: string }): AsyncDisposable & { stop(): Promise<LoadResult> } {
  const agent = new Agent({ keepAlive: true })
  const failures: Failure[] = []
  const tookMs: number[] = []
  const underWay = new Set<Promise<void>>()
  const beganMs = performance.now()
  let calls = 0

  const call = (): void => {
    const startedMs = performance.now()
    calls++
    const done = new Promise<void>((resolve) => {
      const end = (what?: string): void => {
        if (what === undefined) tookMs.push(performance.now() - startedMs)
        else failures.push({ startedMs, endedMs: performance.now(), what })
        resolve()
      }
      const sent = request(url, { method, agent, timeout: TIMEOUT_MS }, (answer) => {
        let text = ''
        answer.setEncoding('utf8').on('data', (chunk: string) => { text += chunk })
        answer.on('end', () => end(answer.statusCode === 200 ? undefined : `${answer.statusCode} ${text.slice(0, 160)}`))
        answer.on('error', (error) => end(error.message))
      })
      sent.on('timeout', () => sent.destroy(new Error('no answer')))
      sent.on('error', (error) => end(error.message))
      sent.end(method === 'POST' ? 'x' : undefined)
    }).finally(() => underWay.delete(done))
    underWay.add(done)
  }
  const timer = setInterval(() => {
    while (calls < (performance.now() - beganMs) / 1000 * perSecond) call()
  }, TICK_MS)

  const load = {
    async stop(): Promise<LoadResult> {
      clearInterval(timer)
      await Promise.all(underWay)
      agent.destroy()
      const sorted = tookMs.toSorted((a, b) => a - b)
      const at = (share: number): number => Math.round(sorted[Math.floor(sorted.length * share)] ?? NaN)
      return { calls, failures, p50Ms: at(0.5), p99Ms: at(0.99) }
    },
  }
  return { ...load, [Symbol.asyncDispose]: async () => { await load.stop() } }
}
