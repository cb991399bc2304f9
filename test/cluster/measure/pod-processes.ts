/** The processes of a pod as this machine sees them: the program, the pause container, and the shim above both. */
import { readdirSync, readFileSync } from 'node:fs'

export type PodProcesses = { readonly program: number; readonly pause: number; readonly shim: number }
export type Held = {
  /** Nobody else's: what would come back if the process ended. */
  readonly privateBytes: number
  /** With its share of what several processes map. */
  readonly pssBytes: number
}

const MS_PER_TICK = 10
const BYTES_PER_KB = 1024

/** By pod uid; of pods whose program runs. Looking through /proc once for many is cheaper than once for each. */
export function findPods(uids: readonly string[]): Map<string, PodProcesses> {
  const found = new Map<string, PodProcesses>()
  for (const [uid, processes] of Map.groupBy(listProcesses(uids), (one) => one.uid)) {
    const pause = processes.find(({ command }) => command.startsWith('/pause'))
    const program = processes.find(({ command }) => command.includes('node'))
    if (pause !== undefined && program !== undefined) found.set(uid, { program: program.pid, pause: pause.pid, shim: Number(statOf(pause.pid)[1]) })
  }
  return found
}

/** All processes of one pod, with their command lines. */
export function processesOf(uid: string): { readonly pid: number; readonly command: string }[] {
  return listProcesses([uid])
}

function listProcesses(uids: readonly string[]): { readonly uid: string; readonly pid: number; readonly command: string }[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((name) => {
    const groups = read(`/proc/${name}/cgroup`)
    const uid = groups.includes('/pod') ? uids.find((one) => groups.includes(`/pod${one}/`)) : undefined
    return uid === undefined ? [] : [{ uid, pid: Number(name), command: read(`/proc/${name}/cmdline`).replaceAll('\0', ' ') }]
  })
}

export function heldBy(pid: number): Held {
  const text = read(`/proc/${pid}/smaps_rollup`)
  const of = (field: string): number => Number(new RegExp(`^${field}: *(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * BYTES_PER_KB
  return { privateBytes: of('Private_Clean') + of('Private_Dirty'), pssBytes: of('Pss') }
}

/** When it was forked, by the wall clock, to 10 ms. */
export function startedAtMs(pid: number): number {
  return bootedAtMs() + Number(statOf(pid)[19]) * MS_PER_TICK
}

/** The zero of process times, by the wall clock. */
function bootedAtMs(): number {
  return Date.now() - Number(read('/proc/uptime').split(' ')[0]) * 1000
}

/** The fields of /proc/PID/stat after the command's name: state, parent, … */
function statOf(pid: number): string[] {
  const text = read(`/proc/${pid}/stat`)
  return text.slice(text.lastIndexOf(')') + 2).split(' ')
}

/** Processes come and go meanwhile. */
function read(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}
