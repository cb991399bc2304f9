/** The monitor under pushes, killed at random moments: every line that it acknowledged is there, once. */
import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { startMonitor, type Monitor } from '../functions/monitor/started-monitor.ts'
import { eventually } from '../kit.ts'

export type MonitorKillsPlan = {
  readonly rounds: number
  /** From the first push that is acknowledged on, at most; how long is chance. */
  readonly longestLifeMs: number
  readonly print: (line: string) => void
}

export type MonitorKillsReport = {
  readonly kills: number
  readonly acknowledged: number
  readonly missing: number
  readonly doubled: number
  /** Pushes that were sent again with their key, as their answer was lost. */
  readonly retried: number
}

const WRITERS = 4
const LINES_AT_ONCE = 20
/** Long enough that a block is full after some seconds: it is killed while it is made, too. */
const FILL = 'x'.repeat(300)
const RETRY_MS = 20
const PATIENCE_MS = 60_000

type Ledger = {
  readonly acknowledged: Set<string>
  retried: number
  isOver: boolean
  /** While lines are counted no more come: who counts would never be done. */
  isPaused: boolean
}

export async function monitorKills({ rounds, longestLifeMs, print }: MonitorKillsPlan): Promise<MonitorKillsReport> {
  await using monitor = await startMonitor()
  const ledger: Ledger = { acknowledged: new Set(), retried: 0, isOver: false, isPaused: false }
  const writers = Array.from({ length: WRITERS }, (_, writer) => write(monitor, ledger, writer))
  let report: MonitorKillsReport = { kills: 0, acknowledged: 0, missing: 0, doubled: 0, retried: 0 }
  for (let round = 1; round <= rounds; round++) {
    const before = ledger.acknowledged.size
    await eventually('pushes are acknowledged', () => ledger.acknowledged.size > before, PATIENCE_MS)
    await pause(Math.random() * longestLifeMs)
    await monitor.process.kill()
    const killedMs = performance.now()
    const promised = new Set(ledger.acknowledged)
    await monitor.process.start()
    const startedMs = performance.now() - killedMs
    if (round === rounds) {
      ledger.isOver = true
      await Promise.all(writers)
      for (const id of ledger.acknowledged) promised.add(id)
    }
    ledger.isPaused = true
    report = { ...await compare(monitor, promised), kills: round, retried: ledger.retried }
    print(`round ${round}: ${report.acknowledged} lines acknowledged so far, ${report.missing} lost, ${report.doubled} twice; ${report.retried} pushes sent again; up again after ${startedMs.toFixed(0)} ms`)
    ledger.isPaused = false
  }
  const errors = monitor.process.logs().filter(({ level }) => level === 'error' || level === 'raw')
  if (errors.length > 0) throw new Error(`the service complained: ${JSON.stringify(errors.slice(0, 5))}`)
  return report
}

/** Each push again and again with its key until it is answered. */
async function write(monitor: Monitor, ledger: Ledger, writer: number): Promise<void> {
  for (let number = 0; !ledger.isOver; number++) {
    while (ledger.isPaused) await pause(RETRY_MS)
    const ids = Array.from({ length: LINES_AT_ONCE }, (_, i) => `${writer}-${number}-${i}`)
    const key = randomBytes(12).toString('hex')
    const lines = ids.map((id) => ({ function: 'kill', id, fill: FILL, chance: Math.random() }))
    for (; ;) {
      const status = await monitor.push(lines, { 'idempotency-key': key }).then(({ status: one }) => one, () => 0)
      if (status === 200) break
      // It listens already, and reads what is there.
      if (status !== 0 && status !== 503) throw new Error(`a push was answered ${status}`)
      ledger.retried++
      await pause(RETRY_MS)
    }
    for (const id of ids) ledger.acknowledged.add(id)
  }
}

async function compare(monitor: Monitor, promised: ReadonlySet<string>): Promise<Pick<MonitorKillsReport, 'acknowledged' | 'missing' | 'doubled'>> {
  const seen = new Map<string, number>()
  for (let cursor: unknown = ''; ;) {
    const page = await monitor.json(`/v1/logs?limit=1000&order=asc${cursor === '' ? '' : `&cursor=${String(cursor)}`}`)
    const items: unknown = page['items']
    for (const { fields } of Array.isArray(items) ? items : []) seen.set(String(fields.id), (seen.get(String(fields.id)) ?? 0) + 1)
    cursor = page['next_cursor']
    if (cursor === undefined) break
  }
  return {
    acknowledged: promised.size,
    missing: [...promised].filter((id) => !seen.has(id)).length,
    doubled: [...seen.values()].filter((count) => count > 1).length,
  }
}
