/** Every setting of the cache service, from the environment; all bad ones are told at once. The README's table is compared with it. */
import { createSettingsReader, type Env, throwProblems, timeOf, WANTED_TIME } from '@bramble/runtime/service/settings'

export type Settings = {
  /** For all entries: keys, values, tags and what is around them. */
  readonly maxMemoryBytes: number
  readonly maxValueBytes: number
  /** Of all values in one call that reads or writes several. */
  readonly maxBatchBytes: number
  /** Of entries that are written without a time; `undefined`: until there is no more room. */
  readonly defaultTtlMs: number | undefined
}

export const DEFAULTS = { max_memory: '64Mi', max_value_size: '1Mi', max_batch_size: '8Mi', default_ttl: 'none' } as const

/** Besides the entries: Node itself (18 MB), calls under way, and values that went but are not collected yet (V8 waits for 64 MB). */
const OTHER_BYTES = 96 * 1024 ** 2
/** What entries take of the heap at most: it grows by a fifth before it is collected (`handler.ts`). */
const HEAP_PER_ENTRIES = 1.25
/** One value must not push out most of the others. */
const LARGEST_SHARE = 4
const MEBIBYTE = 1024 ** 2

/** Throws one error with a sentence for each bad setting. `processLimitBytes`: what the process may use. */
export function readSettings(env: Env, processLimitBytes: number): Settings {
  const { sizeBytes, read, problems } = createSettingsReader(env, DEFAULTS)
  const maxMemoryBytes = sizeBytes('max_memory')
  const maxValueBytes = sizeBytes('max_value_size')
  const maxBatchBytes = sizeBytes('max_batch_size')
  const ttlMs = read('default_ttl', (text) => text === 'none' ? Infinity : timeOf(text), `none, or ${WANTED_TIME}`, Infinity)
  if (problems.length === 0) {
    const entriesBytes = Math.max(0, processLimitBytes - OTHER_BYTES) / HEAP_PER_ENTRIES
    if (maxMemoryBytes > entriesBytes) {
      problems.push(`max_memory is ${inMebibytes(maxMemoryBytes)}, but this process may use ${inMebibytes(processLimitBytes)} in all, of which the entries `
        + `may take ${inMebibytes(entriesBytes)}: lower it, or raise the function's memory limit`)
    }
    if (maxValueBytes > maxMemoryBytes / LARGEST_SHARE) problems.push('max_value_size is more than a quarter of max_memory: lower it, or raise that')
    if (maxBatchBytes > maxMemoryBytes / LARGEST_SHARE) problems.push('max_batch_size is more than a quarter of max_memory: lower it, or raise that')
  }
  throwProblems(problems)
  return { maxMemoryBytes, maxValueBytes, maxBatchBytes, defaultTtlMs: ttlMs === Infinity ? undefined : ttlMs }
}

function inMebibytes(bytes: number): string {
  return `${Math.floor(bytes / MEBIBYTE)}Mi`
}
