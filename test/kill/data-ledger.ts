/** What the data service has said, and whether it is true: compared with its whole content when nobody writes. */
import { DatabaseSync } from 'node:sqlite'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as z from 'zod'
import { eventually } from '../kit.ts'
import { callService, type Target } from './service-call.ts'

export type Ledger = {
  /** What was acknowledged, or shown to a reader, by table. */
  readonly singles: Set<string>
  readonly batches: Set<string>
  readonly transfers: Set<string>
  readonly onces: Set<string>
  /** Transactions that were answered with 409. */
  readonly refused: Set<string>
  /** Answers that never came: each of these may be there or not. */
  readonly unknown: Set<string>
}

export type Findings = {
  readonly acknowledged: number
  /** Acknowledged or shown, and not there. */
  readonly missing: number
  /** Transactions of which a part is there, and what was refused or done twice. */
  readonly half: number
  readonly unknown: number
  /** Of these, the ones that are there. */
  readonly unknownDone: number
}

export const ACCOUNTS = 20
export const BALANCE = 1_000
/** Of a row's content: its id so many times. */
export const REPEATS = 20
const PAGE = 10_000
/** Until a rebuilt service answers. */
const PATIENCE_MS = 300_000

export const migrations = [{
  id: 'ledger',
  sql: `CREATE TABLE single (id TEXT PRIMARY KEY, body BLOB NOT NULL);
    CREATE TABLE part (batch TEXT, number INTEGER, parts INTEGER, PRIMARY KEY (batch, number)) WITHOUT ROWID;
    CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL CHECK (balance >= 0));
    CREATE TABLE transfer (id TEXT PRIMARY KEY, source INTEGER REFERENCES account, target INTEGER REFERENCES account, amount INTEGER NOT NULL);
    CREATE TABLE once (id TEXT NOT NULL);
    CREATE INDEX once_by_id ON once (id);
    CREATE TABLE refused (id TEXT NOT NULL);
    INSERT INTO account WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ${ACCOUNTS}) SELECT i, ${BALANCE} FROM n;`,
}]

export const queryAnswer = z.object({ results: z.tuple([z.object({ rows: z.array(z.array(z.unknown())) })]) })

export function createLedger(): Ledger {
  return { singles: new Set(), batches: new Set(), transfers: new Set(), onces: new Set(), refused: new Set(), unknown: new Set() }
}

/** Waits until the service answers. Throws when the content is no sound database; counts what is not as it was said. */
export async function checkLedger(target: Target, database: string, ledger: Ledger): Promise<Findings> {
  const query = async (sql: string, parameters: readonly unknown[] = []): Promise<readonly (readonly unknown[])[]> => {
    const reply = await eventually(`${database} answers ${sql}`, async () => {
      const tried = await callService(target, 'POST', `/v1/db/${database}/query`, { json: { sql, parameters } })
      if (tried !== undefined && tried.status > 0 && tried.status < 500) return tried
      return undefined
    }, PATIENCE_MS)
    if (reply.status !== 200) throw new Error(`${sql}: ${reply.status} ${reply.text}`)
    return queryAnswer.parse(reply.body).results[0].rows
  }
  const idsOf = async (table: string, column = 'id'): Promise<Set<string>> => {
    const ids = new Set<string>()
    for (let after = ''; ;) {
      const rows = await query(`SELECT DISTINCT ${column} FROM ${table} WHERE ${column} > ? ORDER BY 1 LIMIT ${PAGE}`, [after])
      for (const [id] of rows) ids.add(after = String(id))
      if (rows.length < PAGE) return ids
    }
  }
  const countOf = async (sql: string): Promise<number> => (await query(sql)).length

  const [whole] = await query('SELECT group_concat(integrity_check) FROM pragma_integrity_check')
  if (whole?.[0] !== 'ok') throw new Error(`${database}: integrity_check says ${String(whole?.[0])}`)
  const there = {
    singles: await idsOf('single'), batches: await idsOf('part', 'batch'), transfers: await idsOf('transfer'), onces: await idsOf('once'), refused: await idsOf('refused'),
  }
  const kinds = ['singles', 'batches', 'transfers', 'onces'] as const
  const half = there.refused.intersection(ledger.refused).size
    + await countOf('SELECT batch FROM part GROUP BY batch HAVING count(*) <> max(parts) OR count(*) <> min(parts) LIMIT 100')
    + await countOf(`SELECT id FROM account WHERE balance <> ${BALANCE} - (SELECT total(amount) FROM transfer WHERE source = account.id)
      + (SELECT total(amount) FROM transfer WHERE target = account.id)`)
    + await countOf('SELECT id FROM once GROUP BY id HAVING count(*) > 1 LIMIT 100')
    + await countOf(`SELECT id FROM single WHERE body <> CAST(replace(hex(zeroblob(${REPEATS})), '00', id || ';') AS BLOB) LIMIT 100`)
  return {
    acknowledged: kinds.reduce((sum, kind) => sum + ledger[kind].size, 0),
    missing: kinds.reduce((sum, kind) => sum + ledger[kind].difference(there[kind]).size, 0),
    half,
    unknown: ledger.unknown.size,
    unknownDone: kinds.reduce((sum, kind) => sum + ledger.unknown.intersection(there[kind]).size, 0),
  }
}

/** A backup of it, in the eyes of SQLite itself. */
export async function checkWithSqlite({ url, token = '' }: Target, database: string): Promise<void> {
  const response = await fetch(`${url}/v1/db/${database}/backup`, { headers: { authorization: `Bearer ${token}` } })
  if (response.status !== 200) throw new Error(`no backup: ${response.status} ${await response.text()}`)
  const folder = await mkdtemp(join(tmpdir(), 'bramble-backup-'))
  try {
    const path = join(folder, 'backup.sqlite3')
    await writeFile(path, await response.bytes())
    const sqlite = new DatabaseSync(path, { readOnly: true })
    const [whole, foreign] = [sqlite.prepare('PRAGMA integrity_check').all(), sqlite.prepare('PRAGMA foreign_key_check').all()]
    sqlite.close()
    if (JSON.stringify(whole) !== '[{"integrity_check":"ok"}]' || foreign.length > 0) throw new Error(`SQLite finds in the backup of ${database}: ${JSON.stringify([whole, foreign])}`)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
