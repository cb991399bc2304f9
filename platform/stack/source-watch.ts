/** Tells which files in some folders have changed, a moment after the last change. */
import { type FSWatcher, watch } from 'node:fs'
import { join } from 'node:path'

/** Editors write in several steps: so long after the last one a change is taken as done. */
const SETTLE_MS = 25

export type SourceWatch = {
  /** Watches these folders (not what is below them) and no others any more. */
  follow(folders: ReadonlySet<string>): void
  close(): void
}

/** `onChange` gets absolute paths and is not called again before it has ended. */
export function createSourceWatch(onChange: (paths: ReadonlySet<string>) => Promise<void>): SourceWatch {
  const watchers = new Map<string, FSWatcher>()
  let changed = new Set<string>()
  let timer: NodeJS.Timeout | undefined
  let running = Promise.resolve()

  const settle = (): void => {
    running = running.then(async () => {
      const paths = changed
      changed = new Set()
      if (paths.size > 0) await onChange(paths)
    })
  }
  const forget = (folder: string): void => {
    watchers.get(folder)?.close()
    watchers.delete(folder)
  }
  const begin = (folder: string): void => {
    try {
      const watcher = watch(folder, (_, name) => {
        changed.add(join(folder, name ?? ''))
        clearTimeout(timer)
        timer = setTimeout(settle, SETTLE_MS)
      })
      watcher.on('error', () => forget(folder))
      watchers.set(folder, watcher)
    } catch {
      // It went away between being listed and being watched; its parent tells when it is back.
    }
  }

  return {
    follow(folders) {
      for (const folder of [...watchers.keys()]) if (!folders.has(folder)) forget(folder)
      for (const folder of folders) if (!watchers.has(folder)) begin(folder)
    },
    close() {
      clearTimeout(timer)
      for (const folder of [...watchers.keys()]) forget(folder)
    },
  }
}
