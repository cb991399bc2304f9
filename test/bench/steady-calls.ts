/** Calls at a planned rate from this process, each remembered with the second it was due in: an open loop for small rates. */
import { Agent, get } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'

export type Called = { readonly dueMs: number; readonly ms: number; readonly status: number }

export type SteadyPlan = {
  readonly url: string
  readonly seconds: number
  /** Calls a second at that second. */
  readonly rate: (second: number) => number
}

/** Each call is due a fixed time after the one before; its latency counts from then. Status 0: no answer. */
export async function steadyCalls({ url, seconds, rate }: SteadyPlan): Promise<readonly Called[]> {
  const agent = new Agent({ keepAlive: true })
  const startMs = performance.now()
  const calls: Promise<Called>[] = []
  for (let dueMs = 0; dueMs < seconds * 1000; dueMs += 1000 / rate(Math.floor(dueMs / 1000))) {
    const waitMs = startMs + dueMs - performance.now()
    if (waitMs > 0) await pause(waitMs)
    calls.push(callOnce(url, agent).then((status) => ({ dueMs, status, ms: performance.now() - startMs - dueMs })))
  }
  const all = await Promise.all(calls)
  agent.destroy()
  return all
}

function callOnce(url: string, agent: Agent): Promise<number> {
  return new Promise((resolve) => {
    get(url, { agent }, (answer) => {
      answer.resume()
      answer.on('end', () => resolve(answer.statusCode ?? 0))
      answer.on('error', () => resolve(0))
    }).on('error', () => resolve(0))
  })
}

/** The latency that so large a share of them does not exceed. */
export function quantile(calls: readonly Called[], share: number): number {
  const sorted = calls.map(({ ms }) => ms).sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN
}
