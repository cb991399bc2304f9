/**
 * A function under steady load while it is redeployed, scaled up and down, and its processes are killed. Half of the
 * calls are GET, which may be sent again and so must never fail; half are POST, which may not once they were sent: one
 * that was on a killed process is lost, and counted apart.
 */
import { eventually } from '../kit.ts'
import type { LoadReport } from '../bench/load.ts'
import { environmentOf } from '../bench/measure.ts'
import { startPlatform, type Platform } from '../bench/platform.ts'
import { runLoad } from '../bench/server.ts'

export type RollingPlan = {
  readonly functionsDir?: string
  /** The bundle that is loaded. */
  readonly bundle: string
  readonly ratePerSecond: number
  readonly seconds: number
  /** New versions, spread over the time. */
  readonly redeploys: number
  /** The replicas it is scaled to at a third of the time; at two thirds it goes back to one. */
  readonly replicas: number
  readonly killEverySeconds: number
  readonly note?: (text: string) => void
}

export type RollingReport = {
  readonly get: LoadReport
  readonly post: LoadReport
  readonly redeploys: number
  readonly kills: number
  /** POST calls that were on a process when it was killed. */
  readonly lost: number
  /** Everything else that failed: none is the goal. */
  readonly unexplained: Readonly<Record<string, number>>
  /** Whether in the end exactly one replica runs, and it is the last version. */
  readonly isSettled: boolean
}

const POST_BODY_BYTES = 16
const SETTLE_LIMIT_MS = 30_000

export async function rolling(plan: RollingPlan): Promise<RollingReport> {
  const { bundle, seconds, note = () => undefined } = plan
  await using platform = await startPlatform(plan.functionsDir === undefined ? {} : { functionsDir: plan.functionsDir })
  await platform.deploy({ service: bundle, envVars: { version: '0' } })
  await platform.ready(bundle)

  const url = `${platform.url}/function/${bundle}`
  const load = { url, ratePerSecond: plan.ratePerSecond / 2, seconds }
  const loads = Promise.all([runLoad(load), runLoad({ ...load, bodyBytes: POST_BODY_BYTES })])
  let kills = 0
  const acts: { atSeconds: number; act: () => Promise<void> }[] = [
    ...Array.from({ length: plan.redeploys }, (_, index) => ({
      atSeconds: (index + 0.5) * seconds / plan.redeploys,
      act: async () => {
        note(`version ${index + 1}`)
        await platform.deploy({ service: bundle, envVars: { version: String(index + 1) } })
      },
    })),
    ...[{ share: 1 / 3, replicas: plan.replicas }, { share: 2 / 3, replicas: 1 }].map(({ share, replicas }) => ({
      atSeconds: share * seconds,
      act: async () => {
        note(`${replicas} replicas`)
        await platform.scale(bundle, replicas)
      },
    })),
    ...Array.from({ length: Math.ceil(seconds / plan.killEverySeconds) - 1 }, (_, index) => ({
      atSeconds: (index + 1) * plan.killEverySeconds,
      act: async () => {
        const pid = killOne(platform, bundle)
        if (pid !== undefined) kills++
        note(pid === undefined ? 'nothing to kill' : `killed ${pid}`)
      },
    })),
  ]
  const startMs = performance.now()
  const failed: unknown[] = []
  await Promise.all(acts.map(async ({ atSeconds, act }) => {
    await new Promise((resolve) => setTimeout(resolve, startMs + atSeconds * 1000 - performance.now()))
    await act().catch((error: unknown) => failed.push(error))
  }))
  const [get, post] = await loads
  if (failed.length > 0) throw failed[0]
  const { lost, unexplained } = explain(get, post, endedInstances(platform.output()))
  return { get, post, redeploys: plan.redeploys, kills, lost, unexplained, isSettled: await settles(platform, bundle, String(plan.redeploys)) }
}

/** Replicas that ended without being asked to, by the platform's log. */
function endedInstances(output: string): ReadonlySet<string> {
  return new Set([...output.matchAll(/"message":"replica ended by itself".*?"instance":"([^"]+)"/g)].map(([, instance = '']) => instance))
}

/** A POST is lost when the replica that its 502 names has died, or its answer was cut off half-way. */
function explain(get: LoadReport, post: LoadReport, ended: ReadonlySet<string>): { lost: number; unexplained: Record<string, number> } {
  let lost = 0
  const unexplained: Record<string, number> = {}
  for (const [kind, count] of Object.entries(get.failures)) unexplained[`GET ${kind}`] = count
  for (const [kind, count] of Object.entries(post.failures)) {
    const [, instance = ''] = /^502: replica (\S+) /.exec(kind) ?? []
    if (ended.has(instance) || kind.endsWith('closed inside the answer')) lost += count
    else unexplained[`POST ${kind}`] = count
  }
  return { lost, unexplained }
}

/** Kills one of the function's processes, whatever it is doing. */
function killOne(platform: Platform, bundle: string): number | undefined {
  const all = platform.replicas(bundle)
  const pid = all[Math.floor(Math.random() * all.length)]?.pid
  if (pid !== undefined) process.kill(pid, 'SIGKILL')
  return pid
}

async function settles(platform: Platform, bundle: string, version: string): Promise<boolean> {
  try {
    await platform.ready(bundle)
    await eventually('one process of the last version', () => {
      const all = platform.replicas(bundle)
      return all.length === 1 && environmentOf(all[0]?.pid ?? 0)['version'] === version
    }, SETTLE_LIMIT_MS)
    return true
  } catch {
    return false
  }
}
