/** An engine in a folder of its own, for a test. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createEngine, type CopySettings, type Engine, type EngineDeps } from '../../../../functions/data/engine/engine.ts'
import { nodeFiles, type DataFiles } from '../../../../functions/data/engine/files.ts'
import type { EngineLimits } from '../../../../functions/data/engine/limits.ts'
import type { SqlValue } from '../../../../functions/data/engine/types.ts'

export type Line = { readonly level: string; readonly message: string; readonly fields: Readonly<Record<string, unknown>> }

export type EngineWorld = AsyncDisposable & {
  readonly folder: string
  readonly lines: Line[]
  engine(): Engine
  /** As after a restart; `isKilled`: the engine before is left as it is. It is idle, or it works on beside the new one. */
  restart(isKilled?: boolean): Promise<Engine>
}

export async function engineWorld(options: { limits?: Partial<EngineLimits>; files?: DataFiles; folder?: string; nowMs?: () => number; copies?: CopySettings; idleMs?: number } = {}): Promise<EngineWorld> {
  const folder = options.folder ?? await mkdtemp(join(tmpdir(), 'bramble-data-'))
  const lines: Line[] = []
  const note = (level: string) => (message: string, fields: Readonly<Record<string, unknown>> = {}): void => { lines.push({ level, message, fields }) }
  const deps: EngineDeps = {
    settings: { folder, trustsFolder: true, limits: options.limits, copies: options.copies, idleMs: options.idleMs },
    log: { info: note('info'), warn: note('warn'), error: note('error') },
    // An engine that was "killed" lives on in this process: the lock is for others.
    files: options.files ?? { ...nodeFiles, lock: async () => () => undefined },
    ...(options.nowMs === undefined ? {} : { nowMs: options.nowMs }),
  }
  const engines: Engine[] = []
  const start = async (): Promise<Engine> => {
    const engine = createEngine(deps)
    engines.push(engine)
    await engine.start()
    return engine
  }
  await start()
  const engine = (): Engine => {
    const last = engines.at(-1)
    if (last === undefined) throw new Error('no engine has started')
    return last
  }
  return {
    folder,
    lines,
    engine,
    async restart(isKilled = false) {
      if (!isKilled) await engine().stop()
      return await start()
    },
    async [Symbol.asyncDispose]() {
      for (const one of engines) await one.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** The rows of a query. */
export async function rowsOf(engine: Engine, database: string, sql: string, parameters?: readonly SqlValue[]): Promise<readonly (readonly SqlValue[])[]> {
  const { result } = await engine.query(database, { sql, parameters })
  return result.rows
}

/** The whole file, as a backup gives it. */
export async function fileOf(engine: Engine, database: string): Promise<Buffer> {
  const { content } = await engine.backup(database)
  return Buffer.concat(await Array.fromAsync(content))
}
