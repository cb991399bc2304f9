/** `npm run soak [-- NAME…]`: long runs that look for calls that fail while the platform changes under load. */
import { buildFunctions } from '../bench/build-functions.ts'
import { show, showTable } from '../bench/statistics.ts'
import { startData } from '../functions/data/data-function.ts'
import { compareWithSqlite } from '../functions/data/differential.ts'
import { killRounds } from '../queue/kill-rounds.ts'
import { dataEngine } from './data-engine.ts'
import { platformKills } from './platform-kills.ts'
import { rolling, type RollingPlan } from './rolling.ts'
import { trickle } from './trickle.ts'

type Soak = (functionsDir: string) => Promise<boolean>

const RATE_PER_SECOND = 200
const SECONDS = 60

/** The demonstration: what is asked of `hello`, and of a function that works for 50 ms, so that kills hit calls. */
const soaks: Readonly<Record<string, Soak>> = {
  rolling: () => showRolling({ bundle: 'hello', ...demonstration }),
  'rolling-busy': (functionsDir) => showRolling({ functionsDir, bundle: 'busy', ...demonstration }),
  'queue-kills': showQueueKills,
  'platform-kills': showPlatformKills,
  trickle: showTrickle,
  'data-engine': showDataEngine,
  'data-differential': showDataDifferential,
}

const demonstration = { ratePerSecond: RATE_PER_SECOND, seconds: SECONDS, redeploys: 10, replicas: 5, killEverySeconds: 5 }

async function showRolling(plan: RollingPlan): Promise<boolean> {
  console.log(`\n${plan.bundle}: ${plan.ratePerSecond} calls/s for ${plan.seconds} s, ${plan.redeploys} new versions, ` +
    `1 -> ${plan.replicas} -> 1 replicas, a process killed each ${plan.killEverySeconds} s`)
  const startMs = Date.now()
  const report = await rolling({
    ...plan, note: (text) => console.log(`${((Date.now() - startMs) / 1000).toFixed(1).padStart(6)} s  ${text}`),
  })
  console.log(showTable('calls', ['', 'sent', 'good', 'failed', 'p50 ms', 'p99 ms', 'max ms'],
    [['GET', report.get] as const, ['POST', report.post] as const].map(([name, { good, failed, p50Ms, p99Ms, maxMs }]) => [
      name, show(good + failed), show(good), show(failed), show(p50Ms, 2), show(p99Ms, 2), show(maxMs, 1),
    ])))
  console.log(`kills: ${report.kills}; POST calls lost with a killed process: ${report.lost}; ` +
    `other failures (goal 0): ${JSON.stringify(report.unexplained)}; ` +
    `one replica of the last version in the end: ${report.isSettled ? 'yes' : 'NO'}`)
  return report.isSettled && Object.keys(report.unexplained).length === 0
}

const QUEUE_ROUNDS = 10
const queueKills = { calls: 20_000, kills: 10, longestLifeMs: 800, drainTimeoutMs: 300_000 }

/** Asynchronous calls enqueued while the platform is killed at random moments: none that was acknowledged may be lost. */
async function showQueueKills(): Promise<boolean> {
  const rows: string[][] = []
  let lost = 0
  for (let round = 1; round <= QUEUE_ROUNDS; round++) {
    const result = await killRounds(queueKills)
    lost += result.lost.length
    rows.push([`round ${round}`, ...[result.kills, result.acknowledged, result.lost.length, result.duplicates, result.unacknowledged, result.outOfOrder].map((value) => show(value))])
    console.log(rows.at(-1)?.join('  '))
  }
  console.log(showTable('calls enqueued while the platform is killed', ['', 'kills', 'acknowledged', 'lost (goal 0)', 'executed twice', 'not acknowledged', 'out of order'], rows))
  return lost === 0
}

/** The same through the whole platform: accepted by 202, executed when the callback has come. */
async function showPlatformKills(functionsDir: string): Promise<boolean> {
  const report = await platformKills({ functionsDir, bundle: 'small', calls: 20_000, kills: 10, mostBetween: 3_500, drainTimeoutMs: 300_000 })
  console.log(showTable('calls with callbacks while the platform is killed', ['kills', 'accepted', 'lost (goal 0)', 'callbacks twice', 'not acknowledged'],
    [[report.kills, report.accepted, report.lost, report.duplicates, report.unacknowledged].map((value) => show(value))]))
  return report.lost === 0
}

/** Five minutes in which each call finds the function asleep. */
async function showTrickle(): Promise<boolean> {
  const report = await trickle({ bundle: 'hello', seconds: 300, everySeconds: 5, zeroDuration: '2s' })
  console.log(showTable('a call each 5 s on a function that sleeps after 2 s', ['calls', 'failed (goal 0)', 'woken', 'p50 ms', 'p99 ms'],
    [[show(report.calls), show(report.failed), show(report.wakes), show(report.p50Ms, 1), show(report.p99Ms, 1)]]))
  return report.failed === 0
}

const DIFFERENTIAL_SEEDS = 5
const DIFFERENTIAL_STATEMENTS = 3_000

/** Random statements, answered by the data service as by SQLite itself: throws at the first difference. */
async function showDataDifferential(): Promise<boolean> {
  await using data = await startData({ trust_folder: 'true' })
  for (let i = 0; i < DIFFERENTIAL_SEEDS; i++) {
    const seed = Math.floor(Math.random() * 2 ** 31)
    const { statements, failed } = await compareWithSqlite(data, { seed, statements: DIFFERENTIAL_STATEMENTS })
    console.log(`data-differential, seed ${seed}: ${statements} statements, ${failed} calls failed alike, no difference`)
  }
  return true
}

/** Databases killed under load, and rebuilt from snapshots and log. */
async function showDataEngine(): Promise<boolean> {
  const seed = Date.now() % 100_000
  const report = await dataEngine({ kills: 20, rounds: 20, transactionsEach: 500, seed })
  console.log(showTable(`databases killed and rebuilt (seed ${seed})`, ['kills', 'told', 'lost (goal 0)', 'half there (goal 0)', 'transactions', 'of these failed', 'rebuilds, equal to the byte'],
    [[report.kills, report.told, report.lost.length, report.half, report.transactions, report.failed, report.rebuilds].map((value) => show(value))]))
  return report.lost.length === 0 && report.half === 0
}

const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(soaks)
for (const name of names) {
  if (soaks[name] === undefined) throw new Error(`no soak is called ${name}; there are ${Object.keys(soaks).join(', ')}`)
}
await using functions = await buildFunctions()
for (const name of names) {
  if (!await soaks[name]?.(functions.folder)) process.exitCode = 1
}
