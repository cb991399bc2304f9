/** Settings of a service, from the environment: what several have is read in one way, and all bad ones are told at once. */

export type Env = Readonly<Record<string, string | undefined>>

/** `undefined`: it is not what it should be. */
export type Parse<T> = (text: string) => T | undefined

export type SettingsReader<Name extends string> = {
  /** As it is set, else its default. */
  text(name: Name): string
  /** `want` completes the sentence about a bad one. `instead` is for one without a default that is not set, and for a bad one. */
  read<T>(name: Name, parse: Parse<T>, want: string, instead: T): T
  sizeBytes(name: Name, instead?: number): number
  timeMs(name: Name, instead?: number): number
  whole(name: Name, min: number, max: number, instead?: number): number
  flag(name: Name): boolean
  choice<T extends string>(name: Name, choices: readonly [T, ...T[]]): T
  /** Without a query, and without slashes at its end. `instead` is made of other settings, so it may be bad as well. */
  url(name: Name, instead?: string): string
  /** A sentence for each bad one so far; what is wrong with several of them together may be added. */
  readonly problems: string[]
}

const sizeUnits: Readonly<Record<string, number>> = { '': 1, ki: 1024, mi: 1024 ** 2, gi: 1024 ** 3, ti: 1024 ** 4 }
const timeUnits: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
/** Ten million days: from now on it is still a date that JavaScript has. */
const MAX_TIME_MS = 10_000_000 * 86_400_000
export const WANTED_TIME = 'a time like 500ms, 10s, 30m, 12h or 7d'

/** A default of '' is none. */
export function createSettingsReader<Defaults extends Readonly<Record<string, string>>>(env: Env, defaults: Defaults): SettingsReader<keyof Defaults & string> {
  type Name = keyof Defaults & string
  const problems: string[] = []
  const text = (name: Name): string => env[name]?.trim() || (defaults[name] ?? '')
  const check = <T>(name: Name, given: string, parse: Parse<T>, want: string, instead: T): T => {
    const value = parse(given)
    if (value === undefined) problems.push(`${name}=${JSON.stringify(given)} is not ${want}`)
    return value ?? instead
  }
  const read = <T>(name: Name, parse: Parse<T>, want: string, instead: T): T => {
    const given = text(name)
    return given === '' ? instead : check(name, given, parse, want, instead)
  }
  return {
    text, read, problems,
    sizeBytes: (name, instead = 0) => read(name, sizeOf, 'a size like 500Ki, 64Mi or 1Gi', instead),
    timeMs: (name, instead = 0) => read(name, timeOf, WANTED_TIME, instead),
    whole: (name, min, max, instead = min) => read(name, (given) => wholeOf(given, min, max), `a whole number from ${min} to ${max}`, instead),
    flag: (name) => read(name, (given) => given === 'true' ? true : given === 'false' ? false : undefined, 'true or false', false),
    choice: (name, choices) => read(name, (given) => choices.find((one) => one === given), `${choices.slice(0, -1).join(', ')} or ${choices.at(-1)}`, choices[0]),
    url: (name, instead = '') => check(name, text(name) || instead, urlOf, 'an http or https URL without query', instead),
  }
}

/** Throws one error with all of it. */
export function throwProblems(problems: readonly string[]): void {
  if (problems.length > 0) throw new Error(problems.join('; '))
}

/** `500Ki` in bytes; more than none. */
export function sizeOf(text: string): number | undefined {
  const [, digits = '', unit = ''] = /^(\d{1,12})(|ki|mi|gi|ti)$/i.exec(text) ?? []
  const bytes = Number(digits) * (sizeUnits[unit.toLowerCase()] ?? 1)
  return digits === '' || bytes === 0 || !Number.isSafeInteger(bytes) ? undefined : bytes
}

/** `30m` in milliseconds; more than none. */
export function timeOf(text: string): number | undefined {
  const ms = spanOf(text)
  return ms === 0 ? undefined : ms
}

/** The same, or none at all. */
export function spanOf(text: string): number | undefined {
  const [, digits = '', unit = ''] = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text) ?? []
  const ms = Number(digits) * (timeUnits[unit] ?? 1)
  return digits === '' || ms > MAX_TIME_MS ? undefined : ms
}

function wholeOf(text: string, min: number, max: number): number | undefined {
  const value = Number(text)
  return /^\d+$/.test(text) && value >= min && value <= max ? value : undefined
}

function urlOf(text: string): string | undefined {
  const parsed = URL.parse(text)
  return parsed === null || !/^https?:$/.test(parsed.protocol) || parsed.search !== '' || parsed.hash !== '' ? undefined : text.replace(/\/+$/, '')
}
