/** What a disk says, in words. */
import { BrambleError, hasCode, reasonOf } from '../lib/errors.ts'

/** A failed write of `what` (`the layer …`, `the image folder`) at `path`; errors that are no disk's come back as they are. */
export function diskError(error: unknown, what: string, path: string): unknown {
  if (error instanceof BrambleError) return error
  const say = (why: string) => new BrambleError('UNAVAILABLE', `${what} cannot be written to ${path}: ${why}`, { cause: error })
  if (hasCode(error, 'ENOSPC') || hasCode(error, 'EDQUOT')) return say('the disk is full; make room (a base takes about 100 MiB) and start again')
  if (hasCode(error, 'EACCES') || hasCode(error, 'EPERM')) return say('the folder may not be written to; give it to this user, or choose another one')
  if (hasCode(error, 'EROFS')) return say('the disk is read-only; choose another folder')
  if (hasCode(error, 'ENOTDIR') || hasCode(error, 'EEXIST') || hasCode(error, 'EISDIR')) return say('a file is where a folder must be; remove it')
  if (hasCode(error, 'EIO')) return say('the disk reports a fault; check it')
  if (hasCode(error, 'EFBIG')) return say(`the file system allows no file of that size; ${reasonOf(error)}`)
  return error
}
