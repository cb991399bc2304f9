/**
 * `node load.ts URL TOKEN write|read CONNECTIONS SECONDS`: single-row writes, or reads of one row, as fast as answers come. Prints one line of
 * JSON: a `DataLoadReport`.
 */
import { openConnection, type Connection } from '../connection.ts'
import { createLatencies } from '../latencies.ts'
import { nowMs } from '../now.ts'

export type DataLoadReport = { readonly calls: number; readonly perSecond: number; readonly p50Ms: number; readonly p99Ms: number; readonly failure: string | undefined }

const TIMEOUT_MS = 60_000
/** Of each row that is written. */
const ROW_CHARACTERS = 100
const [url = '', token = '', kind = '', connections = '', seconds = ''] = process.argv.slice(2)
const { hostname, port } = new URL(url)
const latencies = createLatencies()
let failure: string | undefined

const requestOf = (path: string, body: string): Buffer =>
  Buffer.from(`POST ${path} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
const write = { sql: 'INSERT INTO bench (text, number) VALUES (?, ?)', parameters: ['x'.repeat(ROW_CHARACTERS), 42] }
const open = (index: number): Promise<Connection> => openConnection({
  host: hostname, port: Number(port), method: 'POST', timeoutMs: TIMEOUT_MS,
  request: kind === 'write' ? requestOf('/v1/db/bench/execute', JSON.stringify({ statements: [write] }))
    : requestOf('/v1/db/bench/query', JSON.stringify({ sql: 'SELECT text, number FROM bench WHERE id = ?', parameters: [index + 1] })),
})
const all = await Promise.all(Array.from({ length: Number(connections) }, (_, index) => open(index)))
const startMs = nowMs()
const endMs = startMs + Number(seconds) * 1000
await Promise.all(all.map((connection) => new Promise<void>((resolve) => {
  const next = (): void => {
    const fromMs = nowMs()
    if (fromMs >= endMs || failure !== undefined) return resolve()
    connection.call((outcome) => {
      if ('answer' in outcome && outcome.answer.status === 200) latencies.record(nowMs() - fromMs)
      else failure = 'answer' in outcome ? outcome.answer.text : outcome.failure
      next()
    })
  }
  next()
})))
const { p50Ms, p99Ms } = latencies.summary()
const report: DataLoadReport = { calls: latencies.count(), perSecond: latencies.count() * 1000 / (nowMs() - startMs), p50Ms, p99Ms, failure }
console.log(JSON.stringify(report))
process.exit(0)
