/** How long a new version takes to answer, and what a thousand sleeping functions cost. */
import { compare } from '../compare.ts'
import { childrenOf } from '../measure.ts'
import { startPlatform, type Platform } from '../platform.ts'
import { show, showSpread, showTable, spreadOf } from '../statistics.ts'
import { effort, type BenchContext } from './question.ts'

const DEPLOYS = 20
const MANY = 1000
/** Deployments under way at the same time while the thousand are made. */
const AT_ONCE = 8
const LISTINGS = 30
const ANSWER_LIMIT_MS = 20_000

/** From the deployment's request to the first answer that tells the new version; callers meanwhile must not notice. */
export async function deploy(context: BenchContext): Promise<void> {
  await using platform = await startPlatform({ functionsDir: context.functionsDir })
  const first: number[] = []
  const next: number[] = []
  const failures: Record<string, number> = {}
  const deploys = context.isQuick ? 5 : DEPLOYS
  for (let index = 0; index < deploys; index++) {
    const service = `new-${index}`
    first.push(await untilAnswered(platform, service, '1', {}))
    next.push(await untilAnswered(platform, service, '2', failures))
    await platform.request('DELETE', '/system/functions', { functionName: service })
  }
  context.print(showTable(`deploy -> first answer, ms, ${deploys} deployments`, ['', 'median (min-max)', 'goal'], [
    ['a new version', showSpread(spreadOf(next), 0), '< 250'],
    ['a new function', showSpread(spreadOf(first), 0), ''],
  ]))
  context.print(`calls that failed while versions changed: ${JSON.stringify(failures)}\n`)
}

async function untilAnswered(platform: Platform, service: string, version: string, failures: Record<string, number>): Promise<number> {
  const startMs = performance.now()
  await platform.deploy({ service, bundle: 'version', envVars: { version } })
  for (;;) {
    const response = await fetch(`${platform.url}/function/${service}`)
    const text = await response.text()
    const ms = performance.now() - startMs
    if (response.ok && text === version) return ms
    if (!response.ok) failures[`${response.status}: ${text}`] = (failures[`${response.status}: ${text}`] ?? 0) + 1
    if (ms > ANSWER_LIMIT_MS) throw new Error(`${service} does not answer version ${version}: ${response.status} ${text}`)
  }
}

/** One function against a thousand more that sleep: the list, and the cost of a call. */
export async function many(context: BenchContext): Promise<void> {
  await using one = await startPlatform({ functionsDir: context.functionsDir })
  await using thousand = await startPlatform({ functionsDir: context.functionsDir })
  const startMs = performance.now()
  let left = MANY
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (left > 0) {
      const service = `asleep-${left--}`
      await thousand.deploy({ service, bundle: 'small', labels: { 'com.openfaas.scale.min': '0' } })
    }
  }))
  const deployMs = performance.now() - startMs
  const processes = childrenOf(thousand.pid).length
  const paths = []
  for (const [name, platform] of [['1 function', one], [`${MANY} more, asleep`, thousand]] as const) {
    await platform.deploy({ service: 'small' })
    await platform.ready('small')
    paths.push({ name, url: `${platform.url}/function/small`, proxyPid: platform.pid })
  }
  const lists = [await listTimes(one), await listTimes(thousand)]
  const { rounds, seconds } = effort(context, 5, 2)
  const results = await compare(paths, { load: { connections: 50, seconds }, rounds })
  context.print(showTable(`${MANY} functions at 0 replicas`, ['', 'list ms', 'gateway us/call', 'goal'], results.map((result, index) => [
    result.name, showSpread(spreadOf(lists[index] ?? []), 1), showSpread(result.proxyUs, 1),
    index === 0 ? '' : 'list < 50, call unchanged',
  ])))
  context.print(`${MANY} deployments took ${show(deployMs / MANY, 1)} ms each, ${AT_ONCE} at a time; ${processes} processes of them run\n`)
}

async function listTimes(platform: Platform): Promise<number[]> {
  const times: number[] = []
  for (let index = 0; index < LISTINGS; index++) {
    const startMs = performance.now()
    await (await platform.request('GET', '/system/functions')).arrayBuffer()
    times.push(performance.now() - startMs)
  }
  return times
}
