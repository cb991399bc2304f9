/**
 * What the monitor costs: a million lines as services write them, pushed over HTTP, kept, and searched. Beside it the honest floors on the
 * same lines in the same run: zstd and gzip of the raw file, and grep over it from the page cache.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { mkdtemp, open, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { constants, createGzip, createZstdCompress } from 'node:zlib'
import { startMonitor, type Monitor } from '../../functions/monitor/started-monitor.ts'
import { eventually } from '../../kit.ts'
import { cpuOf, memoryOf } from '../measure.ts'
import { megabytes, show, showTable } from '../statistics.ts'
import type { BenchContext } from './question.ts'

const LINES = 1_000_000
const QUICK_LINES = 100_000
const LINES_AT_ONCE = 5000
const CALLERS = 2
const FUNCTIONS = ['album', 'auth', 'data', 'files', 'thumbnail'] as const
const ROUNDS = 3

type Lines = { readonly text: (batch: number) => string; readonly callIds: readonly string[] }

export async function monitor(context: BenchContext): Promise<void> {
  const count = context.isQuick ? QUICK_LINES : LINES
  const lines = createLines(count)
  const folder = await mkdtemp(join(tmpdir(), 'bramble-bench-lines-'))
  try {
    const raw = join(folder, 'lines.jsonl')
    const file = await open(raw, 'w')
    for (let batch = 0; batch * LINES_AT_ONCE < count; batch++) await file.write(lines.text(batch))
    await file.close()
    const { size: rawBytes } = await stat(raw)
    context.print(`${show(count)} lines, ${megabytes(rawBytes)} MB, ${show(rawBytes / count)} bytes a line\n`)

    await using service = await startMonitor({ max_log_size: '2Gi' })
    const idle = memoryOf(service.process.pid()).anonBytes
    await ingest(context, service, lines, count, raw, rawBytes)
    await search(context, service, lines, raw)
    context.print(`private memory: ${megabytes(idle)} MB idle at first, ${megabytes(memoryOf(service.process.pid()).anonBytes)} MB now, resident at most ${megabytes(await peakOf(service.process.pid()))} MB\n`)
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function ingest(context: BenchContext, service: Monitor, lines: Lines, count: number, raw: string, rawBytes: number): Promise<void> {
  const [startMs, startUs] = [performance.now(), cpuOf(service.process.pid())]
  let next = 0
  await Promise.all(Array.from({ length: CALLERS }, async () => {
    for (let batch = next++; batch * LINES_AT_ONCE < count; batch = next++) {
      const answer = await service.call('POST', '/v1/lines', { body: lines.text(batch), headers: { 'content-type': 'application/x-ndjson' } })
      if (!answer.ok) throw new Error(`not taken: ${answer.status} ${await answer.text()}`)
      await answer.arrayBuffer()
    }
  }))
  const seconds = (performance.now() - startMs) / 1000
  const cpuUs = cpuOf(service.process.pid()) - startUs
  const diskBytes = await eventually('the blocks are made', async () => {
    const names = await readdir(join(service.volume, 'monitor/logs'))
    const tails = names.filter((name) => name.endsWith('.tail'))
    const sizes = await Promise.all(names.map(async (name) => (await stat(join(service.volume, 'monitor/logs', name)).catch(() => ({ size: 0 }))).size))
    return tails.length === 1 && sizes.reduce((sum, size) => sum + size, 0)
  })
  const rows = [['monitor: over HTTP to the disk', show(count / seconds), show(cpuUs / count, 1), show(diskBytes / rawBytes, 3)]]
  for (const [name, make] of [['zstd -3 of the file', () => createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 3 } })], ['gzip -6 of the file', () => createGzip()]] as const) {
    const [beginMs, beginUs] = [performance.now(), process.cpuUsage()]
    let bytes = 0
    const packer = make()
    packer.on('data', (chunk: Buffer) => { bytes += chunk.length })
    await pipeline(createReadStream(raw), packer)
    const used = process.cpuUsage(beginUs)
    rows.push([name, show(count / (performance.now() - beginMs) * 1000), show((used.user + used.system) / count, 1), show(bytes / rawBytes, 3)])
  }
  context.print(showTable('lines kept', ['', 'lines/s', 'CPU us/line', 'bytes on disk per raw byte'], rows))
}

async function search(context: BenchContext, service: Monitor, { callIds }: Lines, raw: string): Promise<void> {
  const rare = callIds[Math.floor(callIds.length / 3)] ?? ''
  const questions = [
    { name: 'one call by its id', query: `/v1/calls/${rare}`, pattern: rare },
    { name: 'a text that is nowhere', query: '/v1/logs?text=no-such-text', pattern: 'no-such-text' },
    { name: 'a text in one line of 10,000', query: '/v1/logs?text=disk%20is%20slow', pattern: 'disk is slow' },
    { name: 'the last 100 errors', query: '/v1/logs?level=error', pattern: '"level":"error"' },
    { name: 'a field of one function', query: '/v1/logs?function=album&field=user:u77', pattern: '"user":"u77"' },
  ]
  const rows: string[][] = []
  for (const { name, query, pattern } of questions) {
    const ours: number[] = []
    const theirs: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      const beginMs = performance.now()
      await service.json(query)
      ours.push(performance.now() - beginMs)
      theirs.push(await grep(pattern, raw))
    }
    const [mine, floor] = [Math.min(...ours), Math.min(...theirs)]
    rows.push([name, show(mine, 1), show(floor, 1), show(mine / floor, 2)])
  }
  context.print(showTable('searches over all of them, best of three', ['', 'monitor ms', 'grep -c ms', 'of grep'], rows))
}

async function grep(pattern: string, file: string): Promise<number> {
  const beginMs = performance.now()
  const child = spawn('grep', ['-cF', pattern, file], { stdio: ['ignore', 'pipe', 'ignore'], env: { ...process.env, LC_ALL: 'C' } })
  // Into /dev/null it would stop at the first.
  child.stdout.resume()
  await once(child, 'close')
  return performance.now() - beginMs
}

/** The same each time. Messages, ids and numbers as the services of this repository write them. */
function createLines(count: number): Lines {
  let seed = 1
  const random = (): number => {
    seed = Math.imul(seed ^ seed >>> 15, 0x2c1b3c6d) + 0x9e3779b9 | 0
    return (seed >>> 0) / 2 ** 32
  }
  const id = (): string => Array.from({ length: 4 }, () => Math.floor(random() * 2 ** 32).toString(16).padStart(8, '0')).join('')
  const callIds: string[] = []
  const startMs = Date.now() - 3_600_000
  const batches: string[] = []
  for (let first = 0; first < count; first += LINES_AT_ONCE) {
    const list: string[] = []
    for (let i = first; i < Math.min(count, first + LINES_AT_ONCE); i++) {
      if (i % 8 === 0) callIds.push(id())
      const level = i % 997 === 0 ? 'error' : i % 101 === 0 ? 'warn' : 'info'
      const message = i % 10_007 === 0 ? 'the disk is slow' : ['a call has ended', 'a photo was stored', 'a row was written', 'the token is good'][i % 4]
      list.push(JSON.stringify({
        time: new Date(startMs + Math.floor(i * 3.5e6 / count)).toISOString(), level, message, callId: callIds.at(-1), function: FUNCTIONS[i % FUNCTIONS.length],
        status: i % 50 === 0 ? 404 : 200, ms: Math.floor(random() * 400), user: `u${Math.floor(random() * 500)}`,
      }))
    }
    batches.push(`${list.join('\n')}\n`)
  }
  return { text: (batch) => batches[batch] ?? '', callIds }
}

async function peakOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmHWM:\s*(\d+) kB/m.exec(status)?.[1] ?? NaN) * 1024
}
