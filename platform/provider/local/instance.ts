/** One platform per data folder: its lock, its id, and the processes that a killed one left behind. */
import { randomBytes } from 'node:crypto'
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { BrambleError, hasCode } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import { OWNER_VARIABLE } from './command.ts'
import type { Processes } from './processes.ts'

export type Instance = {
  /** `CONFLICT` when another platform holds the folder. Ends orphans and answers the id that marks processes as ours. */
  enter(): Promise<string>
  /** Ends whatever carries our id. */
  endOrphans(): Promise<void>
  leave(): Promise<void>
}

const ORPHAN_DEADLINE_MS = 5_000
const ORPHAN_POLL_MS = 10

export function createInstance(deps: { dataDir: string; processes: Processes; log: Log }): Instance {
  const { dataDir, processes, log } = deps
  const lockFile = join(dataDir, 'lock')
  let id = ''
  let own = ''

  /** A lock is there with its content, or not at all: a link to a finished file. */
  const tryLock = async (): Promise<boolean> => {
    const draft = `${lockFile}.${process.pid}.${randomBytes(4).toString('hex')}`
    await writeFile(draft, own, { mode: 0o600 })
    try {
      await link(draft, lockFile)
      return true
    } catch (error) {
      if (hasCode(error, 'EEXIST')) return false
      throw error
    } finally {
      await rm(draft, { force: true })
    }
  }
  const holderOf = async (text: string): Promise<number | undefined> => {
    const [, pid = '', identity = ''] = /^([0-9]+) (.*)$/.exec(text) ?? []
    return pid !== '' && await processes.identity(Number(pid)) === identity ? Number(pid) : undefined
  }
  const refuse = (pid: number): never => {
    throw new BrambleError('CONFLICT',
      `${dataDir} is in use by the platform with process id ${pid}: stop it, or give this one another data_dir`)
  }

  const lock = async (): Promise<void> => {
    own = `${process.pid} ${await processes.identity(process.pid) ?? ''}`
    while (!await tryLock()) {
      const text = await readFile(lockFile, 'utf8').catch(() => '')
      const holder = await holderOf(text)
      if (holder !== undefined) refuse(holder)
      // Moved away before it is removed, so that of two who find it stale neither removes the other's new lock.
      const stale = `${lockFile}.${process.pid}.stale`
      try {
        await rename(lockFile, stale)
      } catch (error) {
        if (hasCode(error, 'ENOENT')) continue
        throw error
      }
      const moved = await readFile(stale, 'utf8')
      const other = moved === text ? undefined : await holderOf(moved)
      if (other !== undefined) {
        await link(stale, lockFile)
        await rm(stale)
        refuse(other)
      }
      await rm(stale)
      log.info('took over from a platform that did not stop', { pid: Number.parseInt(text, 10) })
    }
  }

  const readId = async (): Promise<string> => {
    const file = join(dataDir, 'owner')
    const known = await readFile(file, 'utf8').catch(() => '')
    if (/^[0-9a-f]{32}$/.test(known)) return known
    const fresh = randomBytes(16).toString('hex')
    await writeFile(`${file}.new`, fresh, { mode: 0o600 })
    await rename(`${file}.new`, file)
    return fresh
  }

  const endOrphans = async (): Promise<void> => {
    const deadline = Date.now() + ORPHAN_DEADLINE_MS
    for (let isFirst = true; ; isFirst = false) {
      const groups = await processes.groupsWith(`${OWNER_VARIABLE}=${id}`)
      if (groups.length === 0) return
      if (isFirst) log.info('ending processes that were left behind', { groups: groups.length })
      if (Date.now() > deadline) {
        throw new BrambleError('UNAVAILABLE', `process groups ${groups.join(', ')} of a former platform do not end: end them by hand`)
      }
      for (const group of groups) signalGroup(group, 'SIGKILL')
      await delay(ORPHAN_POLL_MS)
    }
  }

  return {
    async enter() {
      await lock()
      try {
        id = await readId()
        await endOrphans()
        return id
      } catch (error) {
        await rm(lockFile, { force: true })
        throw error
      }
    },
    endOrphans,
    async leave() {
      if (own === '') return
      const text = await readFile(lockFile, 'utf8').catch(() => '')
      if (text === own) await rm(lockFile, { force: true })
      own = ''
    },
  }
}

/** A group that is gone needs no signal. */
export function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal)
  } catch (error) {
    if (!hasCode(error, 'ESRCH') && !hasCode(error, 'EPERM')) throw error
  }
}
