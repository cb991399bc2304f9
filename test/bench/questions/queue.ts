/**
 * What a durable asynchronous call costs: to accept, against NATS JetStream on the same disk; to dispatch, against a
 * direct call; and the memory of those that wait. The NATS server is built from its Go module; without Go its row is missing.
 */
import { execFile } from 'node:child_process'
import { closeSync, fdatasyncSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { access, mkdtemp, rm } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { eventually } from '../../kit.ts'
import { startJetStream, type JetStream } from '../jetstream.ts'
import { cpuOf } from '../measure.ts'
import { NODE_ARGS } from '../platform.ts'
import type { QueueState } from '../queue-server.ts'
import { runLoad, startServer, type Server } from '../server.ts'
import { megabytes, show, showSpread, showTable, spreadOf } from '../statistics.ts'
import { effort, type BenchContext } from './question.ts'

const NATS_MODULE = 'github.com/nats-io/nats-server/v2@v2.15.2'
const NATS_PORT = 14_222
const BODY_BYTES = 1024
const CONNECTIONS = 50
const MANY = 100_000
const DRAIN_LIMIT_MS = 180_000
const BUILD_LIMIT_MS = 600_000

export async function queue(context: BenchContext): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-bench-queue-'))
  try {
    await accepting(context, folder)
    await dispatching(context, folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function accepting(context: BenchContext, folder: string): Promise<void> {
  const { rounds, seconds } = effort(context, 5, 3)
  const program = await natsServer(context)
  await using ours = await startServer('queue-server.ts', [join(folder, 'accept')], { nodeArgs: NODE_ARGS })
  await using nats = program === undefined ? undefined : await startJetStream(program, folder, NATS_PORT)
  const rates: Record<'ours' | 'nats' | 'syncs', number[]> = { ours: [], nats: [], syncs: [] }
  const cpus: Record<'ours' | 'nats', number[]> = { ours: [], nats: [] }
  for (let round = 0; round < rounds; round++) {
    rates.syncs.push(syncsPerSecond(folder, seconds / 3))
    const report = await runLoad({ url: `${ours.url}/`, bodyBytes: BODY_BYTES, connections: CONNECTIONS, seconds, pids: [ours.pid] })
    if (report.failed > 0) throw new Error(`calls were refused: ${JSON.stringify(report.failures)}`)
    rates.ours.push(report.goodPerSecond)
    cpus.ours.push((report.cpuUs[ours.pid] ?? NaN) / report.good)
    if (nats !== undefined) await natsRound(nats, seconds, rates.nats, cpus.nats)
  }
  const [mine, theirs, syncs] = [spreadOf(rates.ours), spreadOf(rates.nats), spreadOf(rates.syncs)]
  context.print(showTable(`accepted and durable, ${BODY_BYTES} bytes, ${CONNECTIONS} connections`, ['', 'messages/s', 'server us/message', 'of NATS', 'goal'], [
    ['queue, over HTTP', showSpread(mine, 0), showSpread(spreadOf(cpus.ours), 0), show(mine.median / theirs.median, 2), '>= 0.5'],
    ['NATS JetStream, sync always', showSpread(theirs, 0), showSpread(spreadOf(cpus.nats), 0), '', ''],
    ['one write and sync after another', showSpread(syncs, 0), '', '', ''],
  ]))
}

async function natsRound(nats: JetStream, seconds: number, rates: number[], cpus: number[]): Promise<void> {
  const before = cpuOf(nats.pid)
  const rate = await nats.publish({ connections: CONNECTIONS, bodyBytes: BODY_BYTES, seconds })
  rates.push(rate)
  cpus.push((cpuOf(nats.pid) - before) / (rate * seconds))
}

/** What the disk gives to one who waits for each write. */
function syncsPerSecond(folder: string, seconds: number): number {
  mkdirSync(folder, { recursive: true })
  const file = openSync(join(folder, 'syncs'), 'a')
  const bytes = Buffer.alloc(BODY_BYTES)
  const startMs = performance.now()
  let count = 0
  while (performance.now() - startMs < seconds * 1000) {
    writeSync(file, bytes)
    fdatasyncSync(file)
    count++
  }
  closeSync(file)
  return count * 1000 / (performance.now() - startMs)
}

async function dispatching(context: BenchContext, folder: string): Promise<void> {
  const many = context.isQuick ? MANY / 10 : MANY
  await using target = await startServer('bare.ts')
  await using ours = await startServer('queue-server.ts', [join(folder, 'dispatch')], { nodeArgs: NODE_ARGS })
  await runLoad({ url: `${ours.url}/`, bodyBytes: BODY_BYTES, connections: CONNECTIONS, seconds: 0.5 })
  const before = await stateOf(ours)
  await fill(ours, many)
  const full = await stateOf(ours)
  const startUs = cpuOf(ours.pid)
  const startMs = performance.now()
  await fetch(`${ours.url}/dispatch?${target.url}`, { method: 'POST' })
  await eventually('all is dispatched', async () => (await stateOf(ours)).pending === 0, DRAIN_LIMIT_MS)
  const seconds = (performance.now() - startMs) / 1000
  const direct = await runLoad({ url: `${target.url}/`, bodyBytes: BODY_BYTES, connections: CONNECTIONS, seconds: 2, pids: [target.pid] })
  context.print(showTable(`${show(full.pending)} messages of ${BODY_BYTES} bytes`, ['', 'value'], [
    ['memory before, MB', megabytes(before.rssBytes)],
    ['memory with all of them queued, MB', megabytes(full.rssBytes)],
    ['dispatched messages/s', show(full.pending / seconds)],
    ['dispatcher us/message', show((cpuOf(ours.pid) - startUs) / full.pending, 1)],
    ['direct calls/s of the same function', show(direct.goodPerSecond)],
    ['caller us/call of a direct call', show(direct.ownCpuUs / direct.good, 1)],
  ]))
}

async function fill(ours: Server, count: number): Promise<void> {
  while ((await stateOf(ours)).pending < count) {
    await runLoad({ url: `${ours.url}/`, bodyBytes: BODY_BYTES, connections: CONNECTIONS, seconds: 1 })
  }
}

async function stateOf(ours: Server): Promise<QueueState> {
  return await (await fetch(`${ours.url}/state`)).json() as QueueState
}

/** Built once and kept; `undefined` where there is no Go. */
async function natsServer(context: BenchContext): Promise<string | undefined> {
  const bin = join(homedir(), '.cache/bramble-bench')
  const program = join(bin, 'nats-server')
  if (await access(program).then(() => true, () => false)) return program
  const run = promisify(execFile)
  try {
    await run('go', ['install', NATS_MODULE], { env: { ...process.env, GOBIN: bin }, timeout: BUILD_LIMIT_MS })
    return program
  } catch (error) {
    context.print(`NATS cannot be built from ${NATS_MODULE}, so it is not compared: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}\n`)
    return undefined
  }
}
