/**
 * The load generator, a process of its own: `node test/bench/load.ts URL [--connections N] [--rate R] [--seconds S]`.
 * Without a rate it is a closed loop: each connection sends as soon as it has its answer. With one it is an open loop:
 * call i is due at start + i / rate and its latency counts from then, so waiting for anything counts as latency.
 * Prints one line of JSON: a `LoadReport`.
 */
import { Worker } from 'node:worker_threads'
import { openConnection, type Connection, type Outcome } from './connection.ts'
import { createLatencies, type LatencySummary } from './latencies.ts'
import { readArguments, requestOf } from './load-options.ts'
import { cpuOf, machineCpu } from './measure.ts'
import { nowMs } from './now.ts'
import type { TickerPlan } from './ticker.ts'

/** So many kinds of failure are told apart; texts that vary must not fill the memory. */
const MAX_FAILURE_KINDS = 50

export type LoadReport = LatencySummary & {
  /** Calls with a 2xx answer. Latencies are theirs. */
  readonly good: number
  readonly failed: number
  /** How many failed in which way. */
  readonly failures: Readonly<Record<string, number>>
  readonly seconds: number
  readonly goodPerSecond: number
  readonly answerBytes: number
  /** Open loop: how late after the plan calls were sent, at the 99th percentile. The generator's own error. */
  readonly sentLateP99Ms?: number
  /** CPU time of each measured process over the run, in microseconds. */
  readonly cpuUs: Readonly<Record<string, number>>
  /** The generator's own. */
  readonly ownCpuUs: number
  /** The whole machine's: what is more than the others together is somebody else's work. */
  readonly machineCpuUs: number
}

const options = readArguments(process.argv.slice(2))
const { hostname, port } = new URL(options.url)
const connectionOptions = {
  host: hostname, port: Number(port), method: options.method, request: requestOf(options), timeoutMs: options.timeoutMs,
}
const open = (): Promise<Connection> => openConnection(connectionOptions)

if (options.warmupSeconds > 0) await closedLoop(Math.min(options.connections, 10), options.warmupSeconds, () => undefined)
console.log(JSON.stringify(await run()))
process.exit(0)

async function run(): Promise<LoadReport> {
  const latencies = createLatencies()
  const lateness = createLatencies()
  const failures: Record<string, number> = {}
  let failed = 0
  let answerBytes = 0
  let lastMs = nowMs()
  const settle = (outcome: Outcome, fromMs: number): void => {
    lastMs = nowMs()
    if ('answer' in outcome && outcome.answer.status >= 200 && outcome.answer.status < 300) {
      latencies.record(lastMs - fromMs)
      answerBytes += outcome.answer.bodyBytes
      return
    }
    failed++
    const kind = 'failure' in outcome ? outcome.failure : `${outcome.answer.status}: ${outcome.answer.text.trim()}`
    const key = kind in failures || Object.keys(failures).length < MAX_FAILURE_KINDS ? kind : 'other'
    failures[key] = (failures[key] ?? 0) + 1
  }

  const cpuBefore = options.pids.map(cpuOf)
  const ownBefore = process.cpuUsage()
  const machineBefore = machineCpu()
  const startMs = nowMs()
  if (options.ratePerSecond === undefined) await closedLoop(options.connections, options.seconds, settle)
  else await openLoop(options.ratePerSecond, options.seconds, settle, lateness.record)
  const own = process.cpuUsage(ownBefore)
  const seconds = (lastMs - startMs) / 1000
  return {
    good: latencies.count(), failed, failures, seconds, goodPerSecond: latencies.count() / seconds, answerBytes,
    ...latencies.summary(),
    ...(options.ratePerSecond === undefined ? {} : { sentLateP99Ms: lateness.summary().p99Ms }),
    cpuUs: Object.fromEntries(options.pids.map((pid, index) => [pid, cpuOf(pid) - (cpuBefore[index] ?? 0)])),
    ownCpuUs: own.user + own.system,
    machineCpuUs: machineCpu() - machineBefore,
  }
}

async function closedLoop(
  count: number, seconds: number, settle: (outcome: Outcome, fromMs: number) => void,
): Promise<void> {
  const endMs = nowMs() + seconds * 1000
  await Promise.all(Array.from({ length: count }, async () => {
    while (nowMs() < endMs) {
      const fromMs = nowMs()
      const connection = await open().catch((error: Error) => error)
      if (connection instanceof Error) settle({ failure: `not connected: ${connection.message}` }, fromMs)
      else await keepCalling(connection, endMs, settle)
    }
  }))
}

function keepCalling(
  connection: Connection, endMs: number, settle: (outcome: Outcome, fromMs: number) => void,
): Promise<void> {
  return new Promise((resolve) => {
    let fromMs = nowMs()
    const next = (outcome: Outcome): void => {
      settle(outcome, fromMs)
      fromMs = nowMs()
      if (fromMs < endMs && connection.isOpen()) return connection.call(next)
      connection.close()
      resolve()
    }
    connection.call(next)
  })
}

async function openLoop(
  ratePerSecond: number, seconds: number, settle: (outcome: Outcome, fromMs: number) => void,
  recordLate: (ms: number) => void,
): Promise<void> {
  const count = Math.round(ratePerSecond * seconds)
  const idle: Connection[] = await Promise.all(Array.from({ length: Math.min(10, options.connections) }, open))
  const waiting: number[] = []
  let opened = idle.length
  let settled = 0
  const { promise: isOver, resolve: end } = Promise.withResolvers<void>()
  const settleOne = (outcome: Outcome, plannedMs: number): void => {
    settle(outcome, plannedMs)
    if (++settled === count) end()
  }

  const send = (connection: Connection, plannedMs: number): void => {
    recordLate(nowMs() - plannedMs)
    connection.call((outcome) => {
      settleOne(outcome, plannedMs)
      if (!connection.isOpen()) opened--
      else idle.push(connection)
      const next = waiting.shift()
      if (next !== undefined) give(next)
    })
  }
  const give = (plannedMs: number): void => {
    for (let connection = idle.pop(); connection !== undefined; connection = idle.pop()) {
      if (connection.isOpen()) return send(connection, plannedMs)
      opened--
    }
    if (opened >= options.connections) {
      waiting.push(plannedMs)
      return
    }
    opened++
    open().then((connection) => send(connection, plannedMs), (error: Error) => {
      opened--
      settleOne({ failure: `not connected: ${error.message}` }, plannedMs)
    })
  }

  // The ticker's thread needs a moment to be there before the first call is due.
  const plan: TickerPlan = { startMs: nowMs() + 100, ratePerSecond, count }
  const ticker = new Worker(new URL('./ticker.ts', import.meta.url), { workerData: plan })
  ticker.on('error', (error) => { throw error })
  let sent = 0
  ticker.on('message', (due: number) => {
    while (sent < due) give(plan.startMs + sent++ * 1000 / ratePerSecond)
  })
  await isOver
  for (const connection of idle) connection.close()
}
