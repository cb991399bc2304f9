/**
 * What the cache costs beside redis-server on the same machine in the same run, on as many connections, one operation at a time on each:
 * ours over HTTP with a token, redis over HTTP through webdis and the same load generator, redis over its own protocol. The load
 * generator shares the machine with them, so the CPU time of an operation says more than the number of operations.
 */
import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '../../kit.ts'
import { bundleFunction, spawnFunction } from '../../start-function.ts'
import { startRedis, startWebdis, type Redis, type Webdis } from '../cache-redis.ts'
import type { RedisLoadReport } from '../cache-redis-load.ts'
import { cpuOf, memoryOf } from '../measure.ts'
import { endProcess, firstLine, runLoad } from '../server.ts'
import { megabytes, show, showSpread, showTable, spreadOf } from '../statistics.ts'
import { effort, type BenchContext } from './question.ts'

const TOKEN = 'a-token-of-the-bench-0123456789'
const CONNECTIONS = 50
const VALUE_BYTES = 100
const ENTRIES = 100_000
const SET_AT_ONCE = 500
const GET_AT_ONCE = 100
const BATCH_CALLERS = 8
/** Room for all entries that are counted. */
const SETTINGS = { max_memory: '256Mi' }
const NODE_FLAGS = ['--max-old-space-size=512']

type Cache = AsyncDisposable & { readonly pid: number; readonly url: string }
type Sample = { readonly perSecond: number; readonly p99Ms: number; readonly serverUs: number }
type Operation = 'get' | 'set'

export async function cache(context: BenchContext): Promise<void> {
  await using redis = await startRedis()
  if (redis === undefined) context.print('redis-server is not installed (apt-get install redis-server), so the cache is measured alone\n')
  await speed(context, redis)
  await memory(context, redis)
}

async function speed(context: BenchContext, redis: Redis | undefined): Promise<void> {
  await using ours = await startCache()
  await using webdis = redis && await startWebdis(redis)
  if (redis !== undefined && webdis === undefined) context.print('webdis is not installed (apt-get install webdis), so redis is measured over its own protocol alone\n')
  const { rounds, seconds } = effort(context, 3, 2)
  await fetch(`${ours.url}/v1/n/keys/k`, { method: 'PUT', headers: { authorization: `Bearer ${TOKEN}` }, body: 'x'.repeat(VALUE_BYTES) })
  const rows: string[][] = []
  for (const operation of ['set', 'get'] as const) {
    const samples: Record<'ours' | 'webdis' | 'redis', Sample[]> = { ours: [], webdis: [], redis: [] }
    for (let round = 0; round < rounds; round++) {
      samples.ours.push(await loadOurs(ours, operation, seconds))
      if (redis !== undefined && webdis !== undefined) samples.webdis.push(await loadWebdis(webdis, redis, operation, seconds))
      if (redis !== undefined) samples.redis.push(await loadRedis(redis, operation, seconds))
    }
    const mine = summaryOf(samples.ours)
    rows.push([`${operation}: cache over HTTP`, ...mine.cells, '', ''])
    for (const [name, theirs] of [['redis-server over HTTP (webdis)', samples.webdis], ['redis-server', samples.redis]] as const) {
      if (theirs.length === 0) continue
      const { perSecond, serverUs, cells } = summaryOf(theirs)
      rows.push([`${operation}: ${name}`, ...cells, show(mine.perSecond / perSecond, 2), show(mine.serverUs / serverUs, 1)])
    }
  }
  const batch = await loadBatches(ours, seconds)
  rows.push([`get: ${GET_AT_ONCE} keys in each call`, show(batch.perSecond), '', show(batch.serverUs, 1), '', ''])
  context.print(showTable(`${VALUE_BYTES}-byte values, ${CONNECTIONS} connections, one operation at a time on each`,
    ['', 'operations/s', 'p99 ms', 'server us/operation', 'our rate of its', 'our CPU of its'], rows))
}

async function memory(context: BenchContext, redis: Redis | undefined): Promise<void> {
  await using ours = await startCache()
  const keyOf = (index: number): string => `key-of-entry-${String(index).padStart(7, '0')}`
  const rows: string[][] = []
  const before = memoryOf(ours.pid).anonBytes
  for (let first = 0; first < ENTRIES; first += SET_AT_ONCE) {
    const entries = Array.from({ length: SET_AT_ONCE }, (_, i) => ({ key: keyOf(first + i), text: 'x'.repeat(VALUE_BYTES) }))
    const answer = await fetch(`${ours.url}/v1/n/groups/g/set`, {
      method: 'POST', headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }, body: JSON.stringify({ entries }),
    })
    if (!answer.ok) throw new Error(`not written: ${answer.status} ${await answer.text()}`)
  }
  const { bytes }: { bytes: number } = JSON.parse(await (await fetch(`${ours.url}/v1/stats`, { headers: { authorization: `Bearer ${TOKEN}` } })).text())
  const mine = (memoryOf(ours.pid).anonBytes - before) / ENTRIES
  let theirs = NaN
  if (redis !== undefined) {
    const redisBefore = memoryOf(redis.pid).anonBytes
    await redis.fill(keyOf, ENTRIES, VALUE_BYTES)
    theirs = (memoryOf(redis.pid).anonBytes - redisBefore) / ENTRIES
  }
  rows.push(['cache: memory of the process', show(mine), show(mine / theirs, 2)], ['cache: as it counts them', show(bytes / ENTRIES), ''])
  if (redis !== undefined) rows.push(['redis-server: memory of the process', show(theirs), ''])
  context.print(`private memory of the idle process: ${megabytes(before)} MB\n`)
  context.print(showTable(`${show(ENTRIES)} entries, keys of ${keyOf(0).length} bytes, values of ${VALUE_BYTES}`, ['', 'bytes/entry', 'of redis'], rows))
}

async function loadOurs(ours: Cache, operation: Operation, seconds: number): Promise<Sample> {
  const report = await runLoad({
    url: `${ours.url}/v1/n/keys/k`, headers: [`Authorization: Bearer ${TOKEN}`], connections: CONNECTIONS, seconds, warmupSeconds: 0.4,
    pids: [ours.pid], ...(operation === 'set' && { method: 'PUT', bodyBytes: VALUE_BYTES }),
  })
  if (report.failed > 0) throw new Error(`operations failed: ${JSON.stringify(report.failures)}`)
  return { perSecond: report.goodPerSecond, p99Ms: report.p99Ms, serverUs: (report.cpuUs[ours.pid] ?? NaN) / report.good }
}

async function loadWebdis(webdis: Webdis, redis: Redis, operation: Operation, seconds: number): Promise<Sample> {
  const report = await runLoad({
    url: `${webdis.url}/${operation === 'set' ? 'SET/k' : 'GET/k.txt'}`, connections: CONNECTIONS, seconds, warmupSeconds: 0.4,
    pids: [webdis.pid, redis.pid], ...(operation === 'set' && { method: 'PUT', bodyBytes: VALUE_BYTES }),
  })
  if (report.failed > 0) throw new Error(`operations failed: ${JSON.stringify(report.failures)}`)
  const cpuUs = (report.cpuUs[webdis.pid] ?? NaN) + (report.cpuUs[redis.pid] ?? NaN)
  return { perSecond: report.goodPerSecond, p99Ms: report.p99Ms, serverUs: cpuUs / report.good }
}

/** From this process, a few callers: an operation is one key. */
async function loadBatches({ url, pid }: Cache, seconds: number): Promise<Omit<Sample, 'p99Ms'>> {
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
  const keys = Array.from({ length: GET_AT_ONCE }, (_, i) => `k${i}`)
  const post = async (path: string, body: unknown): Promise<void> => {
    const answer = await fetch(`${url}/v1/n/groups/batch/${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
    await answer.arrayBuffer()
  }
  await post('set', { entries: keys.map((key) => ({ key, text: 'x'.repeat(VALUE_BYTES) })) })
  const [startUs, startMs] = [cpuOf(pid), performance.now()]
  let count = 0
  await Promise.all(Array.from({ length: BATCH_CALLERS }, async () => {
    for (; performance.now() - startMs < seconds * 1000; count += GET_AT_ONCE) await post('get', { keys })
  }))
  return { perSecond: count / (performance.now() - startMs) * 1000, serverUs: (cpuOf(pid) - startUs) / count }
}

async function loadRedis(redis: Redis, operation: Operation, seconds: number): Promise<Sample> {
  const args = [operation, redis.port, redis.pid, CONNECTIONS, seconds, VALUE_BYTES].map(String)
  const child = spawn(process.execPath, [join(import.meta.dirname, '../cache-redis-load.ts'), ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const { goodPerSecond, p99Ms, serverUs }: RedisLoadReport = JSON.parse(await firstLine(child))
  return { perSecond: goodPerSecond, p99Ms, serverUs }
}

function summaryOf(samples: readonly Sample[]): { perSecond: number; serverUs: number; cells: string[] } {
  const [perSecond, p99Ms, serverUs] = [samples.map((one) => one.perSecond), samples.map((one) => one.p99Ms), samples.map((one) => one.serverUs)].map(spreadOf)
  if (!perSecond || !p99Ms || !serverUs) throw new Error('three lists have three spreads')
  return { perSecond: perSecond.median, serverUs: serverUs.median, cells: [showSpread(perSecond, 0), showSpread(p99Ms, 1), showSpread(serverUs, 1)] }
}

async function startCache(): Promise<Cache> {
  const secrets = await mkdtemp(join(tmpdir(), 'bramble-secrets-'))
  await writeFile(join(secrets, 'service-token'), TOKEN)
  const folder = await bundleFunction('cache')
  const { child, logs } = spawnFunction(folder, { secret_mount_path: secrets, ...SETTINGS }, NODE_FLAGS)
  const end = async (): Promise<void> => {
    await endProcess(child)
    for (const one of [secrets, folder]) await rm(one, { recursive: true, force: true })
  }
  try {
    const ready = await eventually('the cache is ready', () => logs().find(({ message }) => message === 'ready'))
    return { pid: child.pid ?? 0, url: `http://127.0.0.1:${Number(ready['port'])}`, [Symbol.asyncDispose]: end }
  } catch (error) {
    await end()
    throw error
  }
}
