/** Every setting of the cache service, from the environment; all bad ones are told at once. The README's table is compared with it. */

export type Settings = {
  /** For all entries: keys, values, tags and what is around them. */
  readonly maxMemoryBytes: number
  readonly maxValueBytes: number
  /** Of all values in one call that reads or writes several. */
  readonly maxBatchBytes: number
  /** Of entries that are written without a time; `undefined`: until there is no more room. */
  readonly defaultTtlMs: number | undefined
}

type Env = Readonly<Record<string, string | undefined>>

export const DEFAULTS = { max_memory: '64Mi', max_value_size: '1Mi', max_batch_size: '8Mi', default_ttl: 'none' } as const

const sizeUnits: Readonly<Record<string, number>> = { '': 1, ki: 1024, mi: 1024 ** 2, gi: 1024 ** 3 }
const timeUnits: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
/** Besides the entries: Node itself (18 MB), calls under way, and values that went but are not collected yet (V8 waits for 64 MB). */
const OTHER_BYTES = 96 * 1024 ** 2
/** What entries take of the heap at most: it grows by a fifth before it is collected (`handler.ts`). */
const HEAP_PER_ENTRIES = 1.25
/** One value must not push out most of the others. */
const LARGEST_SHARE = 4
const MEBIBYTE = 1024 ** 2

/** Throws one error with a sentence for each bad setting. `processLimitBytes`: what the process may use. */
export function readSettings(env: Env, processLimitBytes: number): Settings {
  const problems: string[] = []
  const read = <T>(name: keyof typeof DEFAULTS, parse: (text: string) => T | undefined, want: string, instead: T): T => {
    const text = env[name]?.trim() || DEFAULTS[name]
    const value = parse(text)
    if (value === undefined) problems.push(`${name}=${JSON.stringify(text)} is not ${want}`)
    return value ?? instead
  }
  const size = (name: keyof typeof DEFAULTS): number => read(name, sizeOf, 'a size like 500Ki, 64Mi or 1Gi', 0)

  const maxMemoryBytes = size('max_memory')
  const maxValueBytes = size('max_value_size')
  const maxBatchBytes = size('max_batch_size')
  const ttlMs = read('default_ttl', ttlOf, 'none, or a time like 500ms, 10s, 30m, 12h or 7d', Infinity)
  if (problems.length === 0) {
    const entriesBytes = Math.max(0, processLimitBytes - OTHER_BYTES) / HEAP_PER_ENTRIES
    if (maxMemoryBytes > entriesBytes) {
      problems.push(`max_memory is ${inMebibytes(maxMemoryBytes)}, but this process may use ${inMebibytes(processLimitBytes)} in all, of which the entries `
        + `may take ${inMebibytes(entriesBytes)}: lower it, or raise the function's memory limit`)
    }
    if (maxValueBytes > maxMemoryBytes / LARGEST_SHARE) problems.push('max_value_size is more than a quarter of max_memory: lower it, or raise that')
    if (maxBatchBytes > maxMemoryBytes / LARGEST_SHARE) problems.push('max_batch_size is more than a quarter of max_memory: lower it, or raise that')
  }
  if (problems.length > 0) throw new Error(problems.join('; '))
  return { maxMemoryBytes, maxValueBytes, maxBatchBytes, defaultTtlMs: ttlMs === Infinity ? undefined : ttlMs }
}

function sizeOf(text: string): number | undefined {
  const [, digits = '', unit = ''] = /^(\d{1,12})(|ki|mi|gi)$/i.exec(text) ?? []
  return digits === '' || Number(digits) === 0 ? undefined : Number(digits) * (sizeUnits[unit.toLowerCase()] ?? 1)
}

function ttlOf(text: string): number | undefined {
  if (text === 'none') return Infinity
  const [, digits = '', unit = ''] = /^(\d{1,7})(ms|s|m|h|d)$/.exec(text) ?? []
  return digits === '' || Number(digits) === 0 ? undefined : Number(digits) * (timeUnits[unit] ?? 1)
}

function inMebibytes(bytes: number): string {
  return `${Math.floor(bytes / MEBIBYTE)}Mi`
}
