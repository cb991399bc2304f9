/**
 * What the files service costs beside a bare node:http server that writes a body into a file and syncs it, without and with a hash, in the
 * same run on the same disk; and its memory while 2 GB go in and out.
 */
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '../../kit.ts'
import { bundleFunction, spawnFunction, startFunction } from '../../start-function.ts'
import { cpuOf, memoryOf } from '../measure.ts'
import { endProcess, startServer } from '../server.ts'
import { megabytes, show, showSpread, showTable, spreadOf } from '../statistics.ts'
import type { BenchContext } from './question.ts'

const TOKEN = 'a-token-of-the-bench-0123456789'
const CHUNK = Buffer.alloc(64 * 1024, 'a photograph is not made of zeros ')
const MEGABYTE = 1e6
const FILE_BYTES = 64 * MEGABYTE
const SMALL_BYTES = 10_000
const SMALL_FILES = 200
const LARGE_BYTES = 2_000 * MEGABYTE
const ROUNDS = 3
const WATCH_MS = 50
const TUS = { 'tus-resumable': '1.0.0' }

type Place = { readonly name: string; readonly url: string; readonly pid: number }
type Sample = { readonly perSecond: number; readonly cpuMs: number }
type Sent = { readonly status: number; readonly location: string | undefined; readonly bytes: number }
/** Number of the file, so that no two are the same: the service would notice. */
let number = 0

export async function files(context: BenchContext): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-files-bench-'))
  for (const name of ['service-token', 'files-key']) await writeFile(join(folder, name), `${TOKEN}-${TOKEN}`)
  try {
    await using data = await startFunction('data', { secret_mount_path: folder, data_folder: join(folder, 'data'), trust_folder: 'true' })
    await using ours = await startFiles(folder, data.url)
    await using bare = await startServer('files-bare.ts', [folder])
    await using hashed = await startServer('files-bare.ts', [folder, 'hash'])
    const places: readonly Place[] = [{ name: 'files', ...ours }, { name: 'bare', url: bare.url, pid: bare.pid }, { name: 'bare with SHA-256', url: hashed.url, pid: hashed.pid }]
    await speed(context, places)
    await small(context, places)
    await memory(context, { name: 'files', ...ours }, context.isQuick ? LARGE_BYTES / 8 : LARGE_BYTES)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function speed(context: BenchContext, places: readonly Place[]): Promise<void> {
  const samples = new Map<string, Sample[]>()
  const note = (what: string, sample: Sample): void => void samples.set(what, [...samples.get(what) ?? [], sample])
  for (let round = 0; round < (context.isQuick ? 1 : ROUNDS); round++) {
    for (const place of places) {
      const path = `/v1/files/${number}?owner=bench`
      note(`up: ${place.name}`, await measured(place, FILE_BYTES, () => send(place, 'PUT', path, FILE_BYTES)))
      note(`down: ${place.name}`, await measured(place, FILE_BYTES, () => send(place, 'GET', path, 0)))
      if (place.name === 'files') note('up: files, tus in pieces of 8 MB', await measured(place, FILE_BYTES, () => resumable(place, FILE_BYTES, 8 * MEGABYTE)))
    }
  }
  const rows = [...samples].sort(([one], [other]) => other.localeCompare(one)).map(([what, list]) => {
    const floor = samples.get(`${what.slice(0, what.indexOf(':'))}: bare`) ?? []
    const ratio = (of: (sample: Sample) => number): string => show(spreadOf(list.map(of)).median / spreadOf(floor.map(of)).median, 2)
    return [what, showSpread(spreadOf(list.map(({ perSecond }) => perSecond / MEGABYTE)), 0), ratio(({ perSecond }) => perSecond),
      showSpread(spreadOf(list.map(({ cpuMs }) => cpuMs)), 1), ratio(({ cpuMs }) => cpuMs)]
  })
  context.print(showTable(`files of ${megabytes(FILE_BYTES)} MB, one after the other`, ['', 'MB/s', 'of bare', 'CPU ms/MB', 'of bare'], rows))
}

/** What is around the bytes: the catalog's transaction and the syncs. */
async function small(context: BenchContext, places: readonly Place[]): Promise<void> {
  const rows: string[][] = []
  for (const place of places) {
    const count = context.isQuick ? SMALL_FILES / 4 : SMALL_FILES
    const [beganMs, beganUs] = [performance.now(), cpuOf(place.pid)]
    await Promise.all(Array.from({ length: 8 }, async () => {
      for (let i = 0; i < count / 8; i++) await send(place, 'PUT', `/v1/files/small-${number}?owner=bench`, SMALL_BYTES)
    }))
    rows.push([place.name, show(count / (performance.now() - beganMs) * 1000), show((cpuOf(place.pid) - beganUs) / count / 1000, 2)])
  }
  context.print(showTable(`files of ${SMALL_BYTES / 1000} KB on 8 connections`, ['', 'files/s', 'CPU ms/file'], rows))
}

async function memory(context: BenchContext, place: Place, bytes: number): Promise<void> {
  const rows: string[][] = [['idle', megabytes(memoryOf(place.pid).anonBytes), '']]
  const watched = async (what: string, work: () => Promise<unknown>): Promise<void> => {
    let peakBytes = 0
    const watch = setInterval(() => { peakBytes = Math.max(peakBytes, memoryOf(place.pid).anonBytes) }, WATCH_MS)
    const beganMs = performance.now()
    try {
      await work()
    } finally {
      clearInterval(watch)
    }
    rows.push([what, megabytes(peakBytes), show(bytes / MEGABYTE / (performance.now() - beganMs) * 1000)])
  }
  const path = `/v1/files/large?owner=bench`
  await watched('while it comes in', () => send(place, 'PUT', path, bytes))
  await watched('while it goes out', () => send(place, 'GET', path, 0))
  await watched('while it comes in by tus, in one call', () => resumable(place, bytes, bytes))
  context.print(showTable(`private memory of the service and a file of ${megabytes(bytes)} MB`, ['', 'at most, MB', 'MB/s'], rows))
}

async function measured({ pid }: Place, bytes: number, work: () => Promise<unknown>): Promise<Sample> {
  const [beganMs, beganUs] = [performance.now(), cpuOf(pid)]
  await work()
  return { perSecond: bytes / (performance.now() - beganMs) * 1000, cpuMs: (cpuOf(pid) - beganUs) / 1000 / (bytes / MEGABYTE) }
}

async function resumable(place: Place, bytes: number, pieceBytes: number): Promise<void> {
  const name = Buffer.from(`tus-${number}`).toString('base64')
  const { location } = await send(place, 'POST', '/v1/uploads?owner=bench', 0, { ...TUS, 'upload-length': String(bytes), 'upload-metadata': `path ${name}` })
  for (let offset = 0; offset < bytes; offset += pieceBytes) {
    await send(place, 'PATCH', `/v1/${location}`, Math.min(pieceBytes, bytes - offset), { ...TUS, 'upload-offset': String(offset), 'content-type': 'application/offset+octet-stream' })
  }
}

async function send({ url }: Place, method: string, path: string, bytes: number, headers: Readonly<Record<string, string>> = {}): Promise<Sent> {
  const request = httpRequest(url + path, { method, headers: { authorization: `Bearer ${TOKEN}-${TOKEN}`, 'content-length': bytes, ...headers } })
  const answered = once(request, 'response')
  const first = Buffer.from(CHUNK)
  first.write(`file ${number++} `)
  for (let left = bytes; left > 0;) {
    const chunk = (left === bytes ? first : CHUNK).subarray(0, left)
    left -= chunk.length
    if (!request.write(chunk)) await once(request, 'drain')
  }
  request.end()
  const [response]: IncomingMessage[] = await answered
  if (response === undefined) throw new Error('no answer')
  let received = 0
  for await (const chunk of response) received += Buffer.isBuffer(chunk) ? chunk.length : 0
  const status = response.statusCode ?? 0
  if (status > 299) throw new Error(`${method} ${path}: ${status}`)
  return { status, location: response.headers.location, bytes: received }
}

async function startFiles(folder: string, dataUrl: string): Promise<AsyncDisposable & { readonly url: string; readonly pid: number }> {
  const bundle = await bundleFunction('files')
  const { child, logs } = spawnFunction(bundle, {
    secret_mount_path: folder, data_url: dataUrl, data_folder: join(folder, 'files'), trust_folder: 'true', quota: '100Gi', read_timeout: '1h', exec_timeout: '1h',
  })
  const ready = await eventually('files is ready', () => logs().find(({ message }) => message === 'ready'))
  return {
    url: `http://127.0.0.1:${Number(ready['port'])}`, pid: child.pid ?? 0,
    async [Symbol.asyncDispose]() {
      await endProcess(child)
      await rm(bundle, { recursive: true, force: true })
    },
  }
}
