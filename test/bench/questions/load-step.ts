/** From 1 to 200 calls a second on a function that works for 50 ms: its replicas and latencies, second by second. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { plot } from '../plot.ts'
import { ROOT, startPlatform, type Platform } from '../platform.ts'
import { show, showTable } from '../statistics.ts'
import { quantile, steadyCalls, type Called } from '../steady-calls.ts'
import type { BenchContext } from './question.ts'

const STEP_AT_S = 10
const STEP_UNTIL_S = 50
const SECONDS = 100
const LOW_PER_SECOND = 1
const HIGH_PER_SECOND = 200
const SAMPLE_MS = 100

export async function loadStep(context: BenchContext): Promise<void> {
  await using platform = await startPlatform({ functionsDir: context.functionsDir })
  await platform.deploy({ service: 'busy', labels: { 'com.openfaas.scale.type': 'rps', 'com.openfaas.scale.target': '50' } })
  await platform.ready('busy')
  const [calls, replicas] = await Promise.all([
    steadyCalls({
      url: `${platform.url}/function/busy`, seconds: SECONDS,
      rate: (second) => (second >= STEP_AT_S && second < STEP_UNTIL_S ? HIGH_PER_SECOND : LOW_PER_SECOND),
    }),
    watchReplicas(platform),
  ])
  const failed = calls.filter(({ status }) => status !== 200).length
  const perSecond = Object.entries(Object.groupBy(calls, ({ dueMs }) => Math.floor(dueMs / 1000)))
    .map(([second, some = []]): [number, number] => [Number(second), quantile(some, 0.99)])
  const first = replicas.find(([second, count]) => second >= STEP_AT_S && count > 1)?.[0] ?? NaN
  context.print(showTable(`${LOW_PER_SECOND} -> ${HIGH_PER_SECOND} -> ${LOW_PER_SECOND} calls/s on a function of 50 ms`, ['', ''], [
    ['calls, failed', `${calls.length}, ${failed}`],
    ['first new replica ready after', `${show(first - STEP_AT_S, 1)} s`],
    ['most replicas', show(Math.max(...replicas.map(([, count]) => count)))],
    ['p99 ms in the 2 s after the step', show(quantile(within(calls, STEP_AT_S, STEP_AT_S + 2), 0.99), 1)],
    ['p99 ms from then on', show(quantile(within(calls, STEP_AT_S + 2, STEP_UNTIL_S), 0.99), 1)],
  ]))
  const file = join(ROOT, 'docs/load-step.svg')
  await writeFile(file, plot('A function of 50 ms: 1 call a second, 200 from 10 s to 50 s, then 1 again', SECONDS, [
    { name: 'replicas that answer', unit: 'target 50 calls a second each', points: replicas, isStep: true },
    { name: 'p99', unit: 'ms, of the calls of each second', points: perSecond },
  ]))
  context.print('written: docs/load-step.svg\n')
}

async function watchReplicas(platform: Platform): Promise<[number, number][]> {
  const seen: [number, number][] = []
  const startMs = performance.now()
  for (let ms = 0; ms < SECONDS * 1000; ms = performance.now() - startMs) {
    const status: { availableReplicas: number } = JSON.parse(await (await platform.request('GET', '/system/function/busy')).text())
    seen.push([ms / 1000, status.availableReplicas])
    await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS))
  }
  return seen
}

function within(calls: readonly Called[], fromS: number, toS: number): readonly Called[] {
  return calls.filter(({ dueMs }) => dueMs >= fromS * 1000 && dueMs < toS * 1000)
}
