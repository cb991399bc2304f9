/** What the tests of the local provider need around it: folders that go again, its log, and one that runs. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLog, type Log } from '../../platform/lib/log.ts'
import type { Provider } from '../../platform/provider/provider.ts'
import { createLocalProvider, type LocalProviderDeps } from '../../platform/provider/local/provider.ts'
import { createDataPath, type DataPath } from './data-path.ts'

export type Folders = AsyncDisposable & { readonly root: string; readonly dataDir: string; readonly functionsDir: string }

export async function makeFolders(): Promise<Folders> {
  const root = await mkdtemp(join(tmpdir(), 'bramble-test-'))
  return {
    root,
    dataDir: join(root, 'data'),
    functionsDir: join(root, 'functions'),
    [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }),
  }
}

/** Everything the platform logs, as parsed lines. */
export function keepLog(): { readonly log: Log; readonly lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = []
  return { lines, log: createLog({ level: 'debug', write: (line) => { lines.push(JSON.parse(line)) } }) }
}

export type Started = AsyncDisposable & { readonly provider: Provider; readonly path: DataPath; readonly lines: Record<string, unknown>[] }

/** A running local provider with a data path that drains at once. */
export async function startLocal(folders: Folders, more: Partial<LocalProviderDeps> = {}): Promise<Started> {
  const { log, lines } = keepLog()
  const provider = createLocalProvider({
    dataDir: folders.dataDir, functionsDir: folders.functionsDir, gatewayUrl: () => 'http://127.0.0.1:8080', log, ...more,
  })
  await provider.start()
  const path = createDataPath(provider)
  return {
    provider, path, lines,
    async [Symbol.asyncDispose]() {
      path.stop()
      await provider.stop()
    },
  }
}

/** Whether a process runs: a zombie does not. */
export async function isRunning(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  return stat !== undefined && !/\) [ZX] /.test(stat)
}
