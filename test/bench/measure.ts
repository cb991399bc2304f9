/** What a process costs, from /proc: CPU time since it started, and memory now. Linux only. */
import { readdirSync, readFileSync } from 'node:fs'

/** `sysconf(_SC_CLK_TCK)`: the unit of /proc/PID/stat, the same on every Linux of today. */
const TICKS_PER_SECOND = 100
const MICROSECONDS_PER_TICK = 1e6 / TICKS_PER_SECOND
const BYTES_PER_KB = 1024

export type Memory = {
  readonly rssBytes: number
  /** Resident, with each shared page divided by the processes that share it. */
  readonly pssBytes: number
  /** Resident and not backed by a file: what the process would give back. */
  readonly anonBytes: number
}

/** User and system time of all its threads so far, in microseconds, in steps of 10 ms; 0 when it is gone. */
export function cpuOf(pid: number): number {
  const fields = statOf(pid)
  return fields === undefined ? 0 : (Number(fields[11]) + Number(fields[12])) * MICROSECONDS_PER_TICK
}

/** The time all cores of the machine have worked so far, for anybody, in microseconds. */
export function machineCpu(): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softIrq = 0, steal = 0] =
    readOrEmpty('/proc/stat').split('\n')[0]?.split(/ +/).slice(1).map(Number) ?? []
  return (user + nice + system + irq + softIrq + steal) * MICROSECONDS_PER_TICK
}

export function memoryOf(pid: number): Memory {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1')
  const of = (name: string): number => Number(new RegExp(`^${name}: *(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * BYTES_PER_KB
  return { rssBytes: of('Rss'), pssBytes: of('Pss'), anonBytes: of('Anonymous') }
}

/** The resident set alone: cheap enough to ask many times a second. 0 when the process is gone. */
export function rssOf(pid: number): number {
  try {
    const text = readFileSync(`/proc/${pid}/status`, 'latin1')
    return Number(/^VmRSS:\s*(\d+) kB/m.exec(text)?.[1] ?? 0) * BYTES_PER_KB
  } catch {
    return 0
  }
}

/** Processes whose parent is `pid`, oldest first. */
export function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && statOf(Number(name))?.[1] === String(pid))
    .map(Number)
    .sort((a, b) => a - b)
}

export function environmentOf(pid: number): Readonly<Record<string, string>> {
  const pairs = readOrEmpty(`/proc/${pid}/environ`).split('\0').filter((pair) => pair.includes('='))
  return Object.fromEntries(pairs.map((pair): [string, string] => {
    const at = pair.indexOf('=')
    return [pair.slice(0, at), pair.slice(at + 1)]
  }))
}

/** The fields of /proc/PID/stat after the command's name: state, parent, … */
function statOf(pid: number): readonly string[] | undefined {
  const text = readOrEmpty(`/proc/${pid}/stat`)
  return text === '' ? undefined : text.slice(text.lastIndexOf(')') + 2).split(' ')
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}
