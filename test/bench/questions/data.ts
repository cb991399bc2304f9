/**
 * The data service against SQLite itself behind the same HTTP server and routes (`test/bench/data/sqlite-engine.ts`), as ratios of the same
 * round; and what 64 MB of data cost it: memory, a start, a snapshot.
 */
import { readdirSync } from 'node:fs'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type Contender, startContender } from '../data/contender.ts'
import { cpuOf, memoryOf } from '../measure.ts'
import { megabytes, show, showSpread, showTable, spreadOf } from '../statistics.ts'
import { effort, type BenchContext } from './question.ts'

const loads = [
  { title: 'durable writes/s, 1 connection', kind: 'write', connections: 1, goals: ['', ''] },
  { title: 'durable writes/s, 64 connections', kind: 'write', connections: 64, goals: ['>= 1.0', '>= 0.7'] },
  { title: 'point reads/s, 64 connections', kind: 'read', connections: 64, goals: ['>= 0.8', '>= 0.8'] },
] as const

const MEBIBYTE = 2 ** 20
const FULL_MIB = 64
/** Room for 64 MiB of rows with what lies around them. */
const LIMIT = '80Mi'
const ROW_BYTES = 1_000
const ROW_HEAD_BYTES = 30
const ROWS_A_MIB = 1_000
const WATCH_MS = 2
/** What the collector needs to give back what a fill has left. */
const REST_MS = 1_000

export async function data(context: BenchContext): Promise<void> {
  await against(context)
  await full(context)
  context.print(`load of the machine (1, 5, 15 minutes): ${loadavg().map((one) => one.toFixed(1)).join(', ')}\n`)
}

async function against(context: BenchContext): Promise<void> {
  const { rounds, seconds } = effort(context, 3, 1.5)
  const handler = join(import.meta.dirname, '../data/handler.ts')
  await using ours = await startContender('data', 'data')
  await using each = await startContender('node:sqlite', handler, { commit_mode: 'each' })
  await using group = await startContender('node:sqlite, group commit', handler, { commit_mode: 'group' })
  const all = [ours, each, group]
  for (const one of all) await one.load('write', 64, seconds)
  const rows: string[][] = []
  for (const { title, kind, connections, goals } of loads) {
    const rates = new Map<Contender, number[]>(all.map((one) => [one, []]))
    const costs = new Map<Contender, number[]>(all.map((one) => [one, []]))
    for (let round = 0; round < rounds; round++) {
      for (const one of all) {
        const before = cpuOf(one.process.pid())
        const { perSecond, calls } = await one.load(kind, connections, seconds)
        rates.get(one)?.push(perSecond)
        costs.get(one)?.push((cpuOf(one.process.pid()) - before) / calls)
      }
    }
    const ratioTo = (other: Contender): string => showSpread(spreadOf((rates.get(ours) ?? []).map((rate, round) => rate / (rates.get(other)?.[round] ?? NaN))), 2)
    const show1 = (one: Contender): string => `${showSpread(spreadOf(rates.get(one) ?? []), 0)}, ${show(spreadOf(costs.get(one) ?? []).median, 0)} us`
    rows.push([title, ...all.map(show1), ratioTo(each), goals[0], ratioTo(group), goals[1]])
  }
  context.print(showTable('per second (least to most), and CPU time of a call in the service', ['', ...all.map(({ name }) => name), 'ratio', 'goal', 'to group', 'goal'], rows))
}

async function full(context: BenchContext): Promise<void> {
  await using ours = await startContender('data', 'data', { max_database_size: LIMIT, max_statement_time: '60s' })
  const mib = context.isQuick ? FULL_MIB / 8 : FULL_MIB
  const fill = async (count: number): Promise<void> => {
    const sql = `INSERT INTO bench (text, number) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ${ROWS_A_MIB}) SELECT hex(randomblob(${ROW_BYTES / 2})), i FROM n`
    for (let i = 0; i < count; i++) await ours.call('POST', '/v1/db/bench/execute', { statements: [{ sql }] })
  }
  const held = async (): Promise<number> => {
    await pause(REST_MS)
    return memoryOf(ours.process.pid()).anonBytes
  }
  const sizeOf = async (): Promise<number> => {
    const body = await ours.call('GET', '/v1/db/bench')
    return typeof body === 'object' && body !== null && 'size_bytes' in body ? Number(body.size_bytes) : NaN
  }
  const [emptyBytes, emptySize] = [await held(), await sizeOf()]
  const mibs = Math.floor(mib * MEBIBYTE / (ROWS_A_MIB * (ROW_BYTES + ROW_HEAD_BYTES)))
  await fill(mibs)
  const [fullBytes, size] = [await held(), await sizeOf()]

  const stall = await longestStall(ours, mibs * ROWS_A_MIB)
  const afterBytes = await held()
  await ours.process.kill()
  const killedMs = performance.now()
  await ours.process.start()
  const readyMs = performance.now() - killedMs
  await ours.call('POST', '/v1/db/bench/query', { sql: 'SELECT count(*) FROM bench' })
  const startMs = performance.now() - killedMs
  context.print(showTable(`the data service with ${megabytes(size)} MB in one database`, ['', 'value', 'goal'], [
    ['private memory with an empty database, MB', megabytes(emptyBytes), ''],
    ['and with it full, MB', megabytes(fullBytes), ''],
    ['memory per 10 MB of data, MB', show((fullBytes - emptyBytes) / (size - emptySize) * 10, 1), ''],
    ['highest while a snapshot is written, MB', megabytes(stall.peakBytes), ''],
    ['after it, MB', megabytes(afterBytes), ''],
    ['longest call while a snapshot is written, ms', show(stall.duringMs, 1), '<= 50'],
    ['  the same calls for as long without one, ms', show(stall.withoutMs, 1), ''],
    ['  the snapshot took, ms', show(stall.tookMs, 0), ''],
    ['start after SIGKILL, until it listens, ms', show(readyMs, 0), ''],
    ['  until the first answer from the full database, ms', show(startMs, 0), ''],
  ]))
}

/** Reads and single-row writes, one after the other, while a snapshot of the full database is written, and for as long without one. */
async function longestStall(ours: Contender, rows: number): Promise<{ duringMs: number; withoutMs: number; tookMs: number; peakBytes: number }> {
  const folder = join(ours.folder, 'databases/bench')
  let isUnderWay = false
  const watch = setInterval(() => { isUnderWay = readdirSync(folder).some((name) => name.endsWith('.draft')) }, WATCH_MS)
  try {
    // As much log as the database is large, and a snapshot is due.
    const update = { sql: 'UPDATE bench SET number = number + 1 WHERE id BETWEEN ? AND ?' }
    for (let id = 0; !isUnderWay; id = (id + ROWS_A_MIB) % rows) {
      await ours.call('POST', '/v1/db/bench/execute', { statements: [{ ...update, parameters: [id, id + ROWS_A_MIB] }] })
    }
    const during = await probe(ours, () => !isUnderWay)
    const endMs = performance.now() + during.tookMs
    const without = await probe(ours, () => performance.now() > endMs)
    return { duringMs: during.longestMs, withoutMs: without.longestMs, tookMs: during.tookMs, peakBytes: during.peakBytes }
  } finally {
    clearInterval(watch)
  }
}

async function probe(ours: Contender, isOver: () => boolean): Promise<{ longestMs: number; tookMs: number; peakBytes: number }> {
  const beganMs = performance.now()
  let [longestMs, peakBytes] = [0, 0]
  do {
    const parameters = [1 + Math.floor(Math.random() * ROWS_A_MIB)]
    for (const [path, body] of [
      ['query', { sql: 'SELECT text FROM bench WHERE id = ?', parameters }],
      ['execute', { statements: [{ sql: 'UPDATE bench SET number = number + 1 WHERE id = ?', parameters }] }],
    ] as const) {
      const sentMs = performance.now()
      await ours.call('POST', `/v1/db/bench/${path}`, body)
      longestMs = Math.max(longestMs, performance.now() - sentMs)
    }
    peakBytes = Math.max(peakBytes, memoryOf(ours.process.pid()).anonBytes)
  } while (!isOver())
  return { longestMs, tookMs: performance.now() - beganMs, peakBytes }
}
