/** The data service under writes of every kind, killed at random moments, and what became of all it had said. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { eventually } from '../kit.ts'
import { checkLedger, checkWithSqlite, createLedger, type Findings, type Ledger, migrations } from './data-ledger.ts'
import { startWriters } from './data-writers.ts'
import { createMortalFunction } from './mortal-function.ts'
import { callService, type Target } from './service-call.ts'

export type DataKillsPlan = {
  readonly rounds: number
  /** From the first write that is acknowledged on, at most; how long is chance. */
  readonly longestLifeMs: number
  readonly print: (line: string) => void
}

export type DataKillsReport = Findings & { readonly kills: number }

const DATABASES = ['kill-a', 'kill-b'] as const
/** Small, so that snapshots are killed too. */
const SNAPSHOT_EVERY = '256Ki'
const PATIENCE_MS = 120_000

export async function dataKills({ rounds, longestLifeMs, print }: DataKillsPlan): Promise<DataKillsReport> {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-data-kills-'))
  const token = randomBytes(24).toString('hex')
  await writeFile(join(folder, 'service-token'), token)
  try {
    await using data = await createMortalFunction('data', {
      secret_mount_path: folder, volume_path: join(folder, 'volume'), trust_folder: 'true', snapshot_every: SNAPSHOT_EVERY,
    })
    const target: Target = { url: data.url, token }
    const ledgers = await makeDatabases(target)
    let report = { ...sumOf([]), kills: 0 }
    for (let round = 1; round <= rounds; round++) {
      const writers = startWriters(target, ledgers, `${round}`)
      const before = writers.acknowledged()
      await eventually('writes are acknowledged', () => writers.acknowledged() > before, PATIENCE_MS)
      await pause(Math.random() * longestLifeMs)
      await data.kill()
      const killedMs = performance.now()
      await data.start()
      const startedMs = performance.now() - killedMs
      await writers.stop()
      report = { ...await checkAll(target, ledgers), kills: round }
      print(`${lineOf(round, report)}; up again after ${startedMs.toFixed(0)} ms`)
    }
    for (const database of DATABASES) await checkWithSqlite(target, database)
    const errors = data.logs().filter(({ level }) => level === 'error' || level === 'raw')
    if (errors.length > 0) throw new Error(`the service complained: ${JSON.stringify(errors.slice(0, 5))}`)
    return report
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

export async function makeDatabases(target: Target): Promise<Readonly<Record<string, Ledger>>> {
  for (const database of DATABASES) {
    const made = await callService(target, 'PUT', `/v1/db/${database}`)
    const migrated = await callService(target, 'PUT', `/v1/db/${database}/migrations`, { json: { migrations } })
    if (made?.status !== 201 || migrated?.status !== 200) throw new Error(`${database} cannot be made: ${made?.text} ${migrated?.text}`)
  }
  return Object.fromEntries(DATABASES.map((database) => [database, createLedger()]))
}

export async function checkAll(target: Target, ledgers: Readonly<Record<string, Ledger>>): Promise<Findings> {
  return sumOf(await Promise.all(Object.entries(ledgers).map(([database, ledger]) => checkLedger(target, database, ledger))))
}

export function lineOf(round: number, { acknowledged, missing, half, unknown, unknownDone }: Findings): string {
  return `round ${round}: ${acknowledged} acknowledged so far, ${missing} lost, ${half} half done; ${unknown} without an answer, ${unknownDone} of them done`
}

function sumOf(list: readonly Findings[]): Findings {
  const sum = (field: keyof Findings): number => list.reduce((total, one) => total + one[field], 0)
  return { acknowledged: sum('acknowledged'), missing: sum('missing'), half: sum('half'), unknown: sum('unknown'), unknownDone: sum('unknownDone') }
}
