/** What the operating system knows of processes: `/proc` on Linux, `ps` elsewhere. */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { readFile, readdir } from 'node:fs/promises'
import { promisify } from 'node:util'
import { hasCode } from '../../lib/errors.ts'

export type Usage = {
  /** Private memory: what would be free without it. Node's program text is shared by all and not counted. */
  readonly memoryBytes: number
  /** User and system time since its start. */
  readonly cpuMs: number
}

export type Processes = {
  /** What a process and its descendants use now; a process that is gone uses nothing. */
  usage(pids: readonly number[]): Promise<ReadonlyMap<number, Usage>>
  /** Process groups with a member whose environment holds `NAME=value`. */
  groupsWith(variable: string): Promise<readonly number[]>
  /** Tells a process from a later one with the same id; `undefined` when there is none. */
  identity(pid: number): Promise<string | undefined>
}

/** Linux gives times in these to programs, whatever the kernel uses. */
const TICKS_PER_SECOND = 100
const KIBIBYTE = 1024
const PS_OUTPUT_BYTES = 64 * 1024 * 1024
const run = promisify(execFile)

export function createProcesses(platform: NodeJS.Platform): Processes {
  return platform === 'linux' ? linuxProcesses : psProcesses
}

const linuxProcesses: Processes = {
  async usage(pids) {
    const result = new Map<number, Usage>()
    for (const pid of pids) result.set(pid, usageOfTree(pid))
    return result
  },

  async groupsWith(variable) {
    const groups = new Set<number>()
    for (const name of await readdir('/proc')) {
      if (!/^[0-9]+$/.test(name)) continue
      // Gone meanwhile, or another user's: neither is ours.
      const environment = await readFile(`/proc/${name}/environ`, 'latin1').catch(() => '')
      if (!`\0${environment}`.includes(`\0${variable}\0`)) continue
      const group = Number(statOf(Number(name))?.[2])
      if (group > 1) groups.add(group)
    }
    return [...groups]
  },

  async identity(pid) {
    const started = statOf(pid)?.[19]
    if (started === undefined) return undefined
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '')
    return `${boot.trim()} ${started}`
  },
}

/** The fields of `/proc/PID/stat` from the third on (state, parent, group, …); the name before may hold anything. */
function statOf(pid: number): readonly string[] | undefined {
  const text = readNow(`/proc/${pid}/stat`)
  if (text === undefined) return undefined
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields
}

function usageOfTree(pid: number): Usage {
  const status = readNow(`/proc/${pid}/status`)
  const stat = statOf(pid)
  if (status === undefined || stat === undefined) return { memoryBytes: 0, cpuMs: 0 }
  let memoryBytes = (kilobytes(status, 'RssAnon') + kilobytes(status, 'RssShmem')) * KIBIBYTE
  let cpuMs = (Number(stat[11]) + Number(stat[12])) * 1000 / TICKS_PER_SECOND
  for (const child of (readNow(`/proc/${pid}/task/${pid}/children`) ?? '').split(' ')) {
    if (child === '') continue
    const more = usageOfTree(Number(child))
    memoryBytes += more.memoryBytes
    cpuMs += more.cpuMs
  }
  return { memoryBytes, cpuMs }
}

function kilobytes(status: string, field: string): number {
  const at = status.indexOf(`\n${field}:`)
  return at < 0 ? 0 : parseInt(status.slice(at + field.length + 2), 10)
}

/** `/proc` is memory: reading it waits for nothing, and is cheaper than asking a thread to. */
function readNow(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1')
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ESRCH') || hasCode(error, 'EACCES')) return undefined
    throw error
  }
}

/** One line per process; memory is all that is resident, for `ps` knows no better. */
const psProcesses: Processes = {
  async usage(pids) {
    const { stdout } = await run('ps', ['-A', '-o', 'pid=,pgid=,rss=,time='], { maxBuffer: PS_OUTPUT_BYTES })
    const result = new Map(pids.map((pid): [number, Usage] => [pid, { memoryBytes: 0, cpuMs: 0 }]))
    for (const line of stdout.split('\n')) {
      const [, group = '', rss = '', time = ''] = line.trim().split(/\s+/)
      // A replica leads its group, so the group is the process with its descendants.
      const sum = result.get(Number(group))
      if (sum) result.set(Number(group), { memoryBytes: sum.memoryBytes + Number(rss) * KIBIBYTE, cpuMs: sum.cpuMs + psTimeMs(time) })
    }
    return result
  },

  async groupsWith(variable) {
    const { stdout } = await run('ps', ['axeww', '-o', 'pgid=,command='], { maxBuffer: PS_OUTPUT_BYTES })
    const groups = stdout.split('\n')
      .filter((line) => ` ${line} `.includes(` ${variable} `))
      .map((line) => parseInt(line, 10))
    return [...new Set(groups.filter((group) => group > 1))]
  },

  async identity(pid) {
    const started = await run('ps', ['-o', 'lstart=', '-p', String(pid)]).then(({ stdout }) => stdout.trim(), () => '')
    return started === '' ? undefined : started
  },
}

/** `[days-]hours:minutes:seconds[.hundredths]`, or without hours. */
function psTimeMs(text: string): number {
  const [rest = '', days = '0'] = text.split('-').reverse()
  const seconds = rest.split(':').reduce((sum, part) => sum * 60 + Number(part), 0)
  return (Number(days) * 86_400 + seconds) * 1000
}
