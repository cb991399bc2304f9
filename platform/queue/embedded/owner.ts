/**
 * Who may write the log: the process that came last. It removes the mark of the one before, then reads; that one looks
 * for its mark after each sync and before it tells anybody. So whatever was acknowledged has been read, and two that run
 * side by side, in an update for example, harm nothing. Marks need not survive a power cut: processes do not either.
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { BrambleError } from '../../lib/errors.ts'
import type { LogFiles } from './log-files.ts'

export type Owner = {
  /** Takes over. */
  begin(): void
  /** Leaves; nobody needs to be shut out any more. */
  end(): void
  /** `CONFLICT` when somebody else has taken over. */
  check(): void
}

const markName = /^owner-[0-9a-f]{16}$/

export function createOwner({ files, folder }: { readonly files: LogFiles; readonly folder: string }): Owner {
  const name = `owner-${randomBytes(8).toString('hex')}`
  const path = join(folder, name)

  return {
    begin() {
      files.create(path).close()
      for (const other of files.names(folder)) if (markName.test(other) && other !== name) files.remove(join(folder, other))
    },
    end() {
      if (files.exists(path)) files.remove(path)
    },
    check() {
      if (!files.exists(path)) throw new BrambleError('CONFLICT', `another platform has taken over the queue in ${folder}: this one does not write it any more`)
    },
  }
}
