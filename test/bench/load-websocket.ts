/**
 * WebSocket echo load: `node test/bench/load-websocket.ts URL [--connections N] [--seconds S] [--body BYTES]`. Each
 * connection sends its next message when the last one has come back. Prints a `LoadReport`, messages for calls.
 */
import { WebSocket } from 'ws'
import { createLatencies } from './latencies.ts'
import type { LoadReport } from './load.ts'
import { readArguments } from './load-options.ts'
import { cpuOf, machineCpu } from './measure.ts'
import { nowMs } from './now.ts'

const options = readArguments(process.argv.slice(2))
const message = Buffer.alloc(options.bodyBytes || 22, 'x')
const latencies = createLatencies()
const failures: Record<string, number> = {}
const fail = (kind: string): void => { failures[kind] = (failures[kind] ?? 0) + 1 }

const sockets = await Promise.all(Array.from({ length: options.connections }, async () => {
  const socket = new WebSocket(options.url.replace(/^http/, 'ws'), { perMessageDeflate: false })
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
  return socket
}))
await echo(options.warmupSeconds, () => undefined)
const cpuBefore = options.pids.map(cpuOf)
const ownBefore = process.cpuUsage()
const machineBefore = machineCpu()
const startMs = nowMs()
await echo(options.seconds, latencies.record)
const seconds = (nowMs() - startMs) / 1000
const own = process.cpuUsage(ownBefore)
const report: LoadReport = {
  good: latencies.count(), failed: Object.values(failures).reduce((sum, count) => sum + count, 0), failures, seconds,
  goodPerSecond: latencies.count() / seconds, answerBytes: latencies.count() * message.length, ...latencies.summary(),
  cpuUs: Object.fromEntries(options.pids.map((pid, index) => [pid, cpuOf(pid) - (cpuBefore[index] ?? 0)])),
  ownCpuUs: own.user + own.system,
  machineCpuUs: machineCpu() - machineBefore,
}
console.log(JSON.stringify(report))
process.exit(0)

async function echo(forSeconds: number, record: (ms: number) => void): Promise<void> {
  const endMs = nowMs() + forSeconds * 1000
  await Promise.all(sockets.map((socket) => new Promise<void>((resolve) => {
    let sentMs = nowMs()
    if (sentMs >= endMs || socket.readyState !== WebSocket.OPEN) return resolve()
    const end = (kind?: string): void => {
      if (kind !== undefined) fail(kind)
      socket.removeAllListeners()
      socket.on('error', () => undefined)
      resolve()
    }
    socket.on('message', (data: Buffer) => {
      if (data.length !== message.length) return end('another message came back')
      record(nowMs() - sentMs)
      sentMs = nowMs()
      if (sentMs < endMs) socket.send(message)
      else end()
    })
    socket.on('close', () => end('closed'))
    socket.on('error', (error) => end(error.message))
    socket.send(message)
  })))
}
