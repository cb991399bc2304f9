/**
 * The closed loop of load.ts against redis-server, over its own protocol: each connection sends a command when it has the answer to
 * the one before, nothing is pipelined. `cache-redis-load.ts get|set PORT PID CONNECTIONS SECONDS VALUE_BYTES` prints one line of JSON.
 */
import { connect, type Socket } from 'node:net'
import { commandOf } from './cache-redis.ts'
import { createLatencies } from './latencies.ts'
import { cpuOf } from './measure.ts'
import { nowMs } from './now.ts'

export type RedisLoadReport = { readonly goodPerSecond: number; readonly p50Ms: number; readonly p99Ms: number; readonly serverUs: number }

const WARMUP_SECONDS = 0.4
const [what = 'get', ...numbers] = process.argv.slice(2)
const [port = 0, pid = 0, connections = 1, seconds = 1, valueBytes = 0] = numbers.map(Number)
const value = 'x'.repeat(valueBytes)
const command = what === 'get' ? commandOf('GET', 'k') : commandOf('SET', 'k', value)
const answer = what === 'get' ? `$${valueBytes}\r\n${value}\r\n` : '+OK\r\n'

await loop(Math.min(connections, 10), WARMUP_SECONDS, () => undefined)
const latencies = createLatencies()
const cpuBefore = cpuOf(pid)
const startMs = nowMs()
await loop(connections, seconds, latencies.record)
const { p50Ms, p99Ms } = latencies.summary()
const report: RedisLoadReport = {
  goodPerSecond: latencies.count() / (nowMs() - startMs) * 1000, p50Ms, p99Ms, serverUs: (cpuOf(pid) - cpuBefore) / latencies.count(),
}
console.log(JSON.stringify(report))
process.exit(0)

async function loop(count: number, forSeconds: number, record: (ms: number) => void): Promise<void> {
  const endMs = nowMs() + forSeconds * 1000
  await Promise.all(Array.from({ length: count }, () => new Promise<void>((resolve, reject) => {
    const socket: Socket = connect({ host: '127.0.0.1', port, noDelay: true }, () => send())
    let fromMs = 0
    let received = 0
    const send = (): void => {
      fromMs = nowMs()
      received = 0
      socket.write(command)
    }
    socket.on('data', (chunk: Buffer) => {
      if (received === 0 && chunk[0] !== answer.charCodeAt(0)) return void socket.destroy(new Error(chunk.toString()))
      received += chunk.length
      if (received < answer.length) return
      record(nowMs() - fromMs)
      if (nowMs() < endMs) send()
      else socket.end(resolve)
    })
    socket.on('error', reject)
  })))
}
