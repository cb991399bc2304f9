/** Files being stored while the files service, the data service or both are killed: what was acknowledged must be there, with its hash. */
import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { eventually } from '../kit.ts'
import { createMortalFunction } from './mortal-function.ts'

export type FilesKillsPlan = { readonly rounds: number; readonly longestLifeMs: number; readonly print: (line: string) => void }

export type FilesKillsReport = {
  readonly kills: number
  /** PUT and DELETE that were answered, and uploads whose last byte was. */
  readonly acknowledged: number
  /** Offsets that were told. */
  readonly offsets: number
  readonly lost: number
  /** Contents on the disk that are not what their name says. */
  readonly damaged: number
}

/** What a path may hold: what was acknowledged last, or what was sent since and not answered. `undefined`: nothing. */
type Entry = { acknowledged: string | undefined; readonly unanswered: Set<string | undefined> }
type Ledger = { readonly entries: Map<string, Entry>; readonly uploads: Map<string, number>; acknowledged: number; offsets: number; lost: number }
type Target = { readonly url: string; readonly token: string }

const WRITERS = 6
const PATHS_EACH = 4
const MAX_BYTES = 400_000
const UPLOAD_PIECES = 4
const TIMEOUT_MS = 60_000
const PATIENCE_MS = 120_000

export async function filesKills({ rounds, longestLifeMs, print }: FilesKillsPlan): Promise<FilesKillsReport> {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-files-kills-'))
  const token = randomBytes(24).toString('hex')
  for (const [name, value] of Object.entries({ 'service-token': token, 'files-key': randomBytes(32).toString('hex') })) await writeFile(join(folder, name), value)
  try {
    await using data = await createMortalFunction('data', { secret_mount_path: folder, data_folder: join(folder, 'data'), trust_folder: 'true' })
    await using files = await createMortalFunction('files', {
      secret_mount_path: folder, data_url: data.url, data_folder: join(folder, 'files'), trust_folder: 'true', orphan_time: '1ms', max_versions: '2',
    })
    const ledger: Ledger = { entries: new Map(), uploads: new Map(), acknowledged: 0, offsets: 0, lost: 0 }
    const target = { url: files.url, token }
    const victims = [['files', [files]], ['data', [data]], ['both', [files, data]]] as const
    let damaged = 0
    for (let round = 1; round <= rounds; round++) {
      const [who, dying] = victims[(round - 1) % victims.length] ?? victims[0]
      const before = ledger.acknowledged
      const load = startLoad(target, ledger, round)
      await eventually('files are stored', () => ledger.acknowledged > before, PATIENCE_MS)
      await pause(Math.random() * longestLifeMs)
      await Promise.all(dying.map((one) => one.kill()))
      await Promise.all(dying.map((one) => one.start()))
      await load.stop()
      await check(target, ledger, print)
      damaged = await damagedIn(join(folder, 'files'))
      print(`round ${round}, ${who} killed: ${ledger.acknowledged} acknowledged, ${ledger.offsets} offsets told so far; ${ledger.lost} lost (goal 0), ${damaged} damaged (goal 0)`)
    }
    return { kills: rounds, acknowledged: ledger.acknowledged, offsets: ledger.offsets, lost: ledger.lost, damaged }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function startLoad(target: Target, ledger: Ledger, round: number) {
  let isStopped = false
  const work = async (writer: number): Promise<void> => {
    for (let turn = 0; !isStopped; turn++) {
      const path = `w${writer}/${turn % PATHS_EACH}.bin`
      // One of them begins with it.
      if ((turn + writer) % 5 === 3) await upload(target, ledger, `w${writer}/up${round}-${turn}.bin`)
      else if (turn % 7 === 6) await remove(target, ledger, path)
      else await put(target, ledger, path)
      // Collecting what nobody names runs beside it all the time.
      if (turn % 4 === 0) await call(target, 'POST', '/v1/upkeep')
    }
  }
  const all = Promise.all(Array.from({ length: WRITERS }, (_, writer) => work(writer)))
  return { async stop() { isStopped = true; await all } }
}

async function put(target: Target, ledger: Ledger, path: string): Promise<void> {
  // Now and then what others have stored too.
  const bytes = Math.random() < 0.2 ? Buffer.alloc(50_000, Math.floor(Math.random() * 3)) : randomBytes(Math.floor(Math.random() * MAX_BYTES))
  await change(ledger, path, hashOf(bytes), () => call(target, 'PUT', `/v1/files/${path}`, bytes))
}

async function remove(target: Target, ledger: Ledger, path: string): Promise<void> {
  await change(ledger, path, undefined, () => call(target, 'DELETE', `/v1/files/${path}`))
}

async function change(ledger: Ledger, path: string, hash: string | undefined, send: () => Promise<Response | undefined>): Promise<void> {
  const entry = ledger.entries.get(path) ?? { acknowledged: undefined, unanswered: new Set() }
  ledger.entries.set(path, entry)
  const reply = await send()
  const isGone = hash === undefined && reply?.status === 404
  if (reply?.ok === true || isGone) {
    entry.acknowledged = hash
    entry.unanswered.clear()
    ledger.acknowledged++
  } else {
    entry.unanswered.add(hash)
    await pause(20)
  }
}

/** tus, in pieces; after an answer that got lost it asks for the offset as a client would. */
async function upload(target: Target, ledger: Ledger, path: string): Promise<void> {
  const bytes = randomBytes(MAX_BYTES)
  const tus = { 'tus-resumable': '1.0.0' }
  const made = await call(target, 'POST', '/v1/uploads', undefined, {
    ...tus, 'upload-length': String(bytes.length), 'upload-metadata': `path ${Buffer.from(path).toString('base64')}`,
  })
  const location = made?.headers.get('location')
  if (location === undefined || location === null) return
  const at = `/v1/${location}`
  ledger.uploads.set(at, 0)
  for (let offset = 0; offset < bytes.length;) {
    const piece = bytes.subarray(offset, offset + bytes.length / UPLOAD_PIECES)
    const reply = await call(target, 'PATCH', at, piece, { ...tus, 'upload-offset': String(offset), 'content-type': 'application/offset+octet-stream' })
    if (reply?.status === 204) {
      offset += piece.length
      ledger.offsets++
      ledger.uploads.set(at, offset)
      continue
    }
    const head = await eventually('the offset is told', () => call(target, 'HEAD', at, undefined, tus).then((answer) => answer?.ok === true || answer?.status === 404 ? answer : undefined), PATIENCE_MS)
    const told = Number(head.headers.get('upload-offset') ?? -1)
    if (told < (ledger.uploads.get(at) ?? 0)) {
      ledger.lost++
      return
    }
    offset = told
  }
  ledger.entries.set(path, { acknowledged: hashOf(bytes), unanswered: new Set() })
  ledger.acknowledged++
}

async function check(target: Target, ledger: Ledger, print: (line: string) => void): Promise<void> {
  for (const [path, entry] of ledger.entries) {
    const reply = await eventually('files answers', () => call(target, 'GET', `/v1/files/${path}`).then((answer) => answer?.ok === true || answer?.status === 404 ? answer : undefined), PATIENCE_MS)
    const found = reply.ok ? hashOf(Buffer.from(await reply.arrayBuffer())) : undefined
    if (found !== entry.acknowledged && !entry.unanswered.has(found)) {
      ledger.lost++
      print(`${path} has ${found ?? 'nothing'}, and ${entry.acknowledged ?? 'nothing'} was acknowledged`)
    }
    entry.acknowledged = found
    entry.unanswered.clear()
  }
}

async function damagedIn(folder: string): Promise<number> {
  let damaged = 0
  for (const name of await readdir(join(folder, 'contents'), { recursive: true })) {
    const hash = name.slice(3)
    if (hash === '') continue
    const bytes = await readFile(join(folder, 'contents', name)).catch(() => undefined)
    if (bytes !== undefined && hashOf(bytes) !== hash) damaged++
  }
  return damaged
}

/** `undefined` when there was no answer. */
async function call({ url, token }: Target, method: string, path: string, bytes?: Uint8Array, headers: Readonly<Record<string, string>> = {}): Promise<Response | undefined> {
  try {
    const reply = await fetch(`${url}${path}${path.includes('?') || path === '/v1/upkeep' ? '' : '?owner=kills'}`, {
      method, signal: AbortSignal.timeout(TIMEOUT_MS), headers: { authorization: `Bearer ${token}`, ...headers }, ...(bytes !== undefined && { body: Buffer.from(bytes) }),
    })
    // What is not read keeps its connection.
    if (method !== 'GET') await reply.arrayBuffer()
    return reply
  } catch (error) {
    if (error instanceof TypeError || (error instanceof Error && error.name === 'TimeoutError')) return undefined
    throw error
  }
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
