/** A function that sleeps between calls: each call finds it asleep, and must be answered. */
import { setTimeout as pause } from 'node:timers/promises'
import { startPlatform } from '../bench/platform.ts'
import { quantile, steadyCalls } from '../bench/steady-calls.ts'

export type TricklePlan = {
  readonly functionsDir?: string
  readonly bundle: string
  readonly seconds: number
  readonly everySeconds: number
  /** `com.openfaas.scale.zero-duration` */
  readonly zeroDuration: string
}

export type TrickleReport = {
  readonly calls: number
  readonly failed: number
  /** Times it was woken: the first call finds it as it was deployed. */
  readonly wakes: number
  readonly p50Ms: number
  readonly p99Ms: number
}

export async function trickle(plan: TricklePlan): Promise<TrickleReport> {
  const { bundle, seconds, everySeconds, zeroDuration } = plan
  await using platform = await startPlatform(plan.functionsDir === undefined ? {} : { functionsDir: plan.functionsDir })
  await platform.deploy({ service: bundle, labels: { 'com.openfaas.scale.zero': 'true', 'com.openfaas.scale.zero-duration': zeroDuration } })
  await platform.ready(bundle)
  await pause(everySeconds * 1000)
  const calls = await steadyCalls({ url: `${platform.url}/function/${bundle}`, seconds, rate: () => 1 / everySeconds })
  return {
    calls: calls.length,
    failed: calls.filter(({ status }) => status !== 200).length,
    wakes: platform.output().match(/"message":"woken"/g)?.length ?? 0,
    p50Ms: quantile(calls, 0.5),
    p99Ms: quantile(calls, 0.99),
  }
}
