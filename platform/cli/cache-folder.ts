/** What may be lost, and costs time to make again: `$XDG_CACHE_HOME/bramble`, or `~/.cache/bramble`. */
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Io } from './command.ts'

export function cacheFolder(io: Io): string {
  return join(io.env['XDG_CACHE_HOME'] || join(io.env['HOME'] || homedir(), '.cache'), 'bramble')
}
