/**
 * A lock on a file that the kernel takes back when its holder dies, however it dies; also between containers that see
 * the same folder. Node has no call for it, but SQLite, which it brings along, takes such a lock for a transaction.
 */
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

export type FileLock = {
  /** Whether it is ours now; may be asked again and again. */
  tryAcquire(): boolean
  release(): void
}

/** What SQLite calls a lock that somebody else holds. */
const BUSY = 5

/** Only on file systems with POSIX locks: disks of this machine, not every network share. */
export function createFileLock(path: string): FileLock {
  let database: DatabaseSync | undefined
  return {
    tryAcquire() {
      if (database !== undefined) return true
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
      const opened = new DatabaseSync(path, { timeout: 0 })
      try {
        opened.exec('BEGIN EXCLUSIVE')
      } catch (error) {
        opened.close()
        if (error instanceof Error && 'errcode' in error && error.errcode === BUSY) return false
        throw error
      }
      database = opened
      return true
    },
    release() {
      database?.close()
      database = undefined
    },
  }
}
