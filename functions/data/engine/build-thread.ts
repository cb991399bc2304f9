/** A database's thread with the last durable state in it, from snapshot and log. */
import { DataError } from './errors.ts'
import type { History } from './history.ts'
import type { DataLog } from './log.ts'
import { sqliteModule } from './sqlite-module.ts'
import { startThread, type DatabaseThread, type ThreadDeps } from './thread.ts'
import type { RestorePoint } from './types.ts'

export type BuiltThread = {
  readonly thread: DatabaseThread
  readonly point: RestorePoint
  readonly sizeBytes: number
  /** Of the log behind the snapshot. */
  readonly replayedBytes: number
}

export type BuildDeps = Omit<ThreadDeps, 'module'> & {
  readonly log: DataLog
  readonly history: History
  /** Finds what is in the folder. */
  readonly prepare: () => Promise<void>
}

export async function buildThread(deps: BuildDeps): Promise<BuiltThread> {
  const { name, log, history } = deps
  await log.close()
  await deps.prepare()
  const logged = await log.open()
  const threadDeps = { ...deps, module: await sqliteModule() }
  let thread = startThread(threadDeps)
  let isFresh = true
  let replayedBytes = 0
  try {
    const point = await history.replay({
      begin() {
        if (!isFresh) {
          void thread.end()
          thread = startThread(threadDeps)
        }
        isFresh = false
        replayedBytes = 0
      },
      load: (bytes, offset) => thread.load(bytes, offset),
      apply(changes) {
        replayedBytes += changes.reduce((sum, { length }) => sum + length, 0)
        thread.apply(changes)
      },
    })
    if (point.record < logged.record) throw new DataError('DAMAGED', `database ${name}: records ${point.record + 1} to ${logged.record} cannot be read`)
    return { thread, point, sizeBytes: await thread.open(), replayedBytes }
  } catch (error) {
    await thread.end()
    throw error
  }
}
