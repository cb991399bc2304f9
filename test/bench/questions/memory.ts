/** What the platform's process holds: after load, under many idle connections, and while bodies of 1 GB pass. */
import { spawn } from 'node:child_process'
import { request } from 'node:http'
import { join } from 'node:path'
import { memoryOf, rssOf } from '../measure.ts'
import { startPlatform, type Platform } from '../platform.ts'
import { endProcess, firstLine, runLoad } from '../server.ts'
import { megabytes, showTable } from '../statistics.ts'
import type { BenchContext } from './question.ts'

const FUNCTIONS = 10
const IDLE_CONNECTIONS = 10_000
const GIGABYTE = 1e9
/** So much goes through before the measured transfer: code compiled, buffers there. */
const WARMUP_BYTES = 200e6
const CHUNK_BYTES = 64 * 1024
const SAMPLE_MS = 10

/** Ten functions deployed, each called by 50 connections; then 10,000 connections that only wait. */
export async function memory(context: BenchContext): Promise<void> {
  await using platform = await startPlatform({ functionsDir: context.functionsDir })
  const rows: string[][] = []
  const note = (when: string, goal: string): void => {
    const { rssBytes, pssBytes, anonBytes } = memoryOf(platform.pid)
    rows.push([when, megabytes(rssBytes), megabytes(pssBytes), megabytes(anonBytes), goal])
  }
  note('started', '')
  const names = Array.from({ length: FUNCTIONS }, (_, index) => `small-${index + 1}`)
  for (const service of names) await platform.deploy({ service, bundle: 'small' })
  for (const service of names) await platform.ready(service)
  note(`${FUNCTIONS} functions deployed`, '')
  for (const service of names) {
    await runLoad({ url: `${platform.url}/function/${service}`, connections: 50, seconds: context.isQuick ? 0.5 : 2 })
  }
  note(`after load on all ${FUNCTIONS}`, 'RSS < 90')
  const replica = platform.replicas('small-1')[0]
  if (replica !== undefined) {
    const { rssBytes, pssBytes, anonBytes } = memoryOf(replica.pid)
    rows.push(['  one of the functions', megabytes(rssBytes), megabytes(pssBytes), megabytes(anonBytes), ''])
  }
  const held = await withIdleConnections(platform, IDLE_CONNECTIONS, () => note(`and ${IDLE_CONNECTIONS} idle connections`, 'RSS + < 150'))
  context.print(showTable('platform process, MB', ['', 'RSS', 'PSS', 'anonymous', 'goal'], rows))
  context.print(`idle connections held: ${held}; a call meanwhile: ${(await fetch(`${platform.url}/function/small-1`)).status}\n`)
}

/** Runs `body` while they are held; answers how many were, before and after. */
async function withIdleConnections(platform: Platform, count: number, body: () => void): Promise<string> {
  const file = join(import.meta.dirname, '../idle-connections.ts')
  const child = spawn(process.execPath, [file, `${platform.url}/function/small-1`, String(count)], { stdio: ['pipe', 'pipe', 'inherit'] })
  try {
    const before = await firstLine(child)
    body()
    const again = firstLine(child)
    child.stdin.write('again\n')
    return `${before}, then ${await again}`
  } finally {
    await endProcess(child)
  }
}

/** 1 GB up and 1 GB down; the growth of the resident set tells whether anything is gathered on the way. */
export async function transfer(context: BenchContext): Promise<void> {
  await using platform = await startPlatform({ functionsDir: context.functionsDir })
  await platform.deploy({ service: 'transfer' })
  await platform.ready('transfer')
  const replica = platform.replicas('transfer')[0]
  if (replica === undefined) throw new Error('no process of transfer')
  const url = `${platform.url}/function/transfer`
  const rows: string[][] = []
  for (const [name, move] of [['upload', upload], ['download', download]] as const) {
    await move(url, WARMUP_BYTES)
    const bytes = context.isQuick ? GIGABYTE / 5 : GIGABYTE
    const watched = [watch(platform.pid), watch(replica.pid)]
    const startMs = Date.now()
    const moved = await move(url, bytes)
    const seconds = (Date.now() - startMs) / 1000
    if (moved !== bytes) throw new Error(`${name}: ${moved} of ${bytes} bytes arrived`)
    const [platformGrowth = '', functionGrowth = ''] = watched.map((stop) => stop())
    rows.push([`${name} of ${bytes / 1e6} MB`, (bytes / 1e6 / seconds).toFixed(0), platformGrowth, functionGrowth, 'flat'])
  }
  context.print(showTable('1 GB through the gateway', ['', 'MB/s', 'platform RSS MB', 'function RSS MB', 'goal'], rows))
}

/** Follows a process's resident set; the returned function ends it and says from where to which peak it went. */
function watch(pid: number): () => string {
  const first = rssOf(pid)
  let peak = first
  const timer = setInterval(() => { peak = Math.max(peak, rssOf(pid)) }, SAMPLE_MS)
  return () => {
    clearInterval(timer)
    return `${megabytes(first)} -> peak ${megabytes(peak)}`
  }
}

/** Sends so many bytes; answers how many the function says it got. */
async function upload(url: string, bytes: number): Promise<number> {
  const chunk = Buffer.alloc(CHUNK_BYTES, 'x')
  return new Promise((resolve, reject) => {
    const call = request(url, { method: 'PUT', headers: { 'content-length': bytes } }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => { text += part })
      response.on('end', () => resolve(Number(text))).on('error', reject)
    }).on('error', reject)
    let left = bytes
    const send = (): void => {
      while (left > 0) {
        const part = left < CHUNK_BYTES ? chunk.subarray(0, left) : chunk
        left -= part.length
        if (!call.write(part)) {
          call.once('drain', send)
          return
        }
      }
      call.end()
    }
    send()
  })
}

/** Fetches so many bytes; answers how many came. */
async function download(url: string, bytes: number): Promise<number> {
  return new Promise((resolve, reject) => {
    request(`${url}?bytes=${bytes}`, (response) => {
      let got = 0
      response.on('data', (part: Buffer) => { got += part.length })
      response.on('end', () => resolve(got)).on('error', reject)
    }).on('error', reject).end()
  })
}
