/** A process of the bench: the data service, with its own engine or with SQLite in its place, on a folder of its own. */
import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createMortalFunction, type MortalFunction } from '../../kill/mortal-function.ts'
import { callService, type Target } from '../../kill/service-call.ts'
import { firstLine } from '../server.ts'
import type { DataLoadReport } from './load.ts'

export type Contender = AsyncDisposable & {
  readonly name: string
  readonly target: Target
  readonly process: MortalFunction
  readonly folder: string
  /** Calls, as fast as answers come, from another process. */
  load(kind: 'write' | 'read', connections: number, seconds: number): Promise<DataLoadReport>
  /** Throws when it is not a 2xx. */
  call(method: string, path: string, json?: object): Promise<unknown>
}

const TOKEN = 'token-of-the-bench-0123456789'
const TABLE = 'CREATE TABLE bench (id INTEGER PRIMARY KEY, text TEXT NOT NULL, number INTEGER)'

export async function startContender(name: string, handler: string, env: Readonly<Record<string, string>> = {}): Promise<Contender> {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-bench-data-'))
  await using cleaner = new AsyncDisposableStack()
  cleaner.defer(() => rm(folder, { recursive: true, force: true }))
  await writeFile(join(folder, 'service-token'), TOKEN)
  await mkdir(join(folder, 'volume'))
  const started = cleaner.use(await createMortalFunction(handler, { secret_mount_path: folder, volume_path: join(folder, 'volume'), trust_folder: 'true', ...env }))
  const target: Target = { url: started.url, token: TOKEN }
  const call: Contender['call'] = async (method, path, json) => {
    const reply = await callService(target, method, path, { json })
    if (reply === undefined || reply.status < 200 || reply.status > 299) throw new Error(`${name}, ${method} ${path}: ${reply?.status ?? 'no answer'} ${reply?.text ?? ''}`)
    return reply.body
  }
  await call('PUT', '/v1/db/bench')
  await call('POST', '/v1/db/bench/execute', { statements: [{ sql: TABLE }] })
  const kept = cleaner.move()
  return {
    name, target, process: started, folder: join(folder, 'volume'), call,
    async load(kind, connections, seconds) {
      const child = spawn(process.execPath, [join(import.meta.dirname, 'load.ts'), target.url, TOKEN, kind, String(connections), String(seconds)], { stdio: ['ignore', 'pipe', 'inherit'] })
      const report = JSON.parse(await firstLine(child)) as DataLoadReport
      if (report.failure !== undefined || report.calls === 0) throw new Error(`${name}: ${report.failure ?? 'no call was answered'}`)
      return report
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}
