/** The same load along several paths in one run: interleaved repetitions, medians with their spread, one table. */
import { availableParallelism } from 'node:os'
import type { LoadOptions } from './load-options.ts'
import { runLoad } from './server.ts'
import { show, showSpread, showTable, spreadOf, type Spread } from './statistics.ts'

/** Time of calls before the measured ones, in each repetition: code compiled, connections there. */
const WARMUP_SECONDS = 0.4

/** Somebody else's work beyond this share of the machine is said below the table: measure again then. */
const NOISE_SHARE = 0.1

/** A way to the function. */
export type Path = {
  readonly name: string
  readonly url: string
  readonly proxyPid?: number
  readonly functionPid?: number
}

export type Result = {
  readonly name: string
  readonly goodPerSecond: Spread
  readonly p50Ms: Spread
  readonly p99Ms: Spread
  /** CPU time of a call, microseconds; NaN where there is no such process. */
  readonly proxyUs: Spread
  readonly functionUs: Spread
  readonly sentLateP99Ms: number
  /** The share of the machine that others took in the worst repetition. */
  readonly othersShare: number
  readonly failures: Readonly<Record<string, number>>
}

export async function compare(paths: readonly Path[], options: {
  readonly load: Omit<LoadOptions, 'url' | 'pids'>
  readonly rounds: number
  readonly program?: 'load.ts' | 'load-websocket.ts'
}): Promise<Result[]> {
  const samples = paths.map(() => ({
    goodPerSecond: [] as number[], p50Ms: [] as number[], p99Ms: [] as number[], proxyUs: [] as number[],
    functionUs: [] as number[], late: [] as number[], others: [] as number[], failures: {} as Record<string, number>,
  }))
  for (let round = 0; round < options.rounds; round++) {
    for (const [index, path] of paths.entries()) {
      const sample = samples[index]
      if (sample === undefined) continue
      const pids = [path.proxyPid, path.functionPid].filter((pid) => pid !== undefined)
      const report = await runLoad({ warmupSeconds: WARMUP_SECONDS, ...options.load, url: path.url, pids }, options.program)
      const perCall = (pid: number | undefined): number => pid === undefined ? NaN : (report.cpuUs[pid] ?? NaN) / report.good
      sample.goodPerSecond.push(report.goodPerSecond)
      sample.p50Ms.push(report.p50Ms)
      sample.p99Ms.push(report.p99Ms)
      sample.proxyUs.push(perCall(path.proxyPid))
      sample.functionUs.push(perCall(path.functionPid))
      sample.late.push(report.sentLateP99Ms ?? 0)
      const ours = Object.values(report.cpuUs).reduce((sum, us) => sum + us, report.ownCpuUs)
      sample.others.push((report.machineCpuUs - ours) / (report.seconds * 1e6 * availableParallelism()))
      for (const [kind, count] of Object.entries(report.failures)) sample.failures[kind] = (sample.failures[kind] ?? 0) + count
    }
  }
  return samples.map((sample, index) => ({
    name: paths[index]?.name ?? '',
    goodPerSecond: spreadOf(sample.goodPerSecond),
    p50Ms: spreadOf(sample.p50Ms),
    p99Ms: spreadOf(sample.p99Ms),
    proxyUs: spreadOf(sample.proxyUs),
    functionUs: spreadOf(sample.functionUs),
    sentLateP99Ms: spreadOf(sample.late).median,
    othersShare: Math.max(...sample.others),
    failures: sample.failures,
  }))
}

/** What a result is divided by, and what it should come to. */
export type Yardstick = { readonly floor: string; readonly goals?: Readonly<Record<string, string>> }

export function showResults(title: string, results: readonly Result[], yardstick: Yardstick): string {
  const floor = results.find(({ name }) => name === yardstick.floor)
  const hasProxy = results.some(({ proxyUs }) => !Number.isNaN(proxyUs.median))
  const times = (part: number, whole: number | undefined): string => {
    const ratio = part / (whole ?? NaN)
    return Number.isNaN(ratio) ? '-' : `${ratio.toFixed(2)} x`
  }
  const measure = (result: Result | undefined): number | undefined => (hasProxy ? result?.proxyUs : result?.functionUs)?.median
  const rows = results.map((result) => [
    result.name, showSpread(result.goodPerSecond, 0), showSpread(result.p50Ms, 2), showSpread(result.p99Ms, 2),
    ...(hasProxy ? [showSpread(result.proxyUs, 1)] : []), show(result.functionUs.median, 1),
    times(measure(result) ?? NaN, measure(floor)), yardstick.goals?.[result.name] ?? '',
  ])
  const table = showTable(title, [
    'path', 'calls/s', 'p50 ms', 'p99 ms', ...(hasProxy ? ['proxy us/call'] : []), 'function us/call',
    `CPU / ${yardstick.floor}`, 'goal',
  ], rows)
  return [table, ...remarks(results)].join('')
}

function remarks(results: readonly Result[]): string[] {
  const lines = results.filter(({ failures }) => Object.keys(failures).length > 0)
    .map(({ name, failures }) => `FAILED calls, ${name}: ${JSON.stringify(failures)}\n`)
  const othersShare = Math.max(...results.map((result) => result.othersShare))
  if (othersShare > NOISE_SHARE) {
    lines.push(`NOISE: other processes took up to ${(othersShare * 100).toFixed(0)} % of this machine meanwhile\n`)
  }
  const lateMs = Math.max(...results.map(({ sentLateP99Ms }) => sentLateP99Ms))
  if (lateMs > 0) lines.push(`calls were sent up to ${lateMs.toFixed(2)} ms late (p99), which is in these latencies\n`)
  return lines
}
