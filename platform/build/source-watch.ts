/** Tells which files in some folders have changed, a moment after the last change. */
import { type FSWatcher, watch } from 'node:fs'
import { access, readdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** Editors write in several steps: so long after the last one a change is taken as done. */
const SETTLE_MS = 25
/** The clock of files stands still between ticks of the kernel, up to 10 ms. */
const FILE_CLOCK_MS = 10

export type Followed = {
  /** Watched themselves, not what is below them; no others are any more. */
  readonly folders: ReadonlySet<string>
  /** Files in them that were there. */
  readonly files: ReadonlySet<string>
  /** What has changed in a new folder between then and now counts as well. */
  readonly since: Date
}

export type SourceWatch = {
  /** Nothing that changes after `since` is missed once this has resolved. */
  follow(followed: Followed): Promise<void>
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
  const note = (path: string): void => {
    changed.add(path)
    clearTimeout(timer)
    timer = setTimeout(settle, SETTLE_MS)
  }
  const forget = (folder: string): void => {
    watchers.get(folder)?.close()
    watchers.delete(folder)
  }
  const begin = (folder: string): void => {
    try {
      const watcher = watch(folder, (_, name) => note(join(folder, name ?? '')))
      watcher.on('error', () => forget(folder))
      watchers.set(folder, watcher)
    } catch {
      // It went away between being listed and being watched; its parent tells when it is back.
    }
  }

  return {
    async follow({ folders, files, since }) {
      for (const folder of [...watchers.keys()]) if (!folders.has(folder)) forget(folder)
      const fresh = [...folders].filter((folder) => !watchers.has(folder))
      for (const folder of fresh) begin(folder)
      // Only now: a change is either before this and seen here, or after and told by the watcher.
      for (const path of await changedSince(fresh, since)) note(path)
      for (const path of files) if (fresh.includes(dirname(path)) && await isGone(path)) note(path)
    },
    close() {
      clearTimeout(timer)
      for (const folder of [...watchers.keys()]) forget(folder)
    },
  }
}

/**
 * Files written, replaced or moved in since then, which keep the time they were written but not that of their inode; and
 * folders made, whose inode changes with each file in them.
 */
async function changedSince(folders: readonly string[], since: Date): Promise<string[]> {
  const fromMs = since.getTime() - FILE_CLOCK_MS
  const found = await Promise.all(folders.map(async (folder) => {
    const names = await readdir(folder).catch(() => [])
    return Promise.all(names.map(async (name) => {
      const path = join(folder, name)
      const info = await stat(path).catch(() => undefined)
      const changedAtMs = info?.isDirectory() ? info.birthtimeMs : info?.ctimeMs
      return changedAtMs !== undefined && changedAtMs >= fromMs ? [path] : []
    }))
  }))
  return found.flat(2)
}

function isGone(path: string): Promise<boolean> {
  return access(path).then(() => false, () => true)
}
