/** What the board says that this runs on: /proc and /sys, read as they are; a container sees the board's. */
import { readdir, readFile, statfs } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import type { NodeFigures } from './node-figures.ts'

export type OwnNode = { read(): Promise<NodeFigures> }

const THERMAL = '/sys/class/thermal'
/** The Raspberry Pi's firmware: what it has throttled, and why. */
const THROTTLED = ['/sys/devices/platform/soc/soc:firmware/get_throttled', '/sys/class/hwmon/hwmon0/device/get_throttled']
const MILLI = 1000

/** `folder`: whose disk is told. */
export function createOwnNode(folder: string): OwnNode {
  let before: { readonly busy: number; readonly total: number } | undefined
  return {
    async read() {
      const now = cpuIn(await textOf('/proc/stat'))
      const used = now && before && now.total > before.total ? (now.busy - before.busy) / (now.total - before.total) : undefined
      before = now ?? before
      const memory = await textOf('/proc/meminfo')
      const disk = await statfs(folder === '' ? '/' : folder).catch(() => undefined)
      const throttled = (await Promise.all(THROTTLED.map(textOf))).find((text) => /^[0-9a-f]+\s*$/i.test(text))
      return {
        cpu_cores: availableParallelism(), cpu_used: used,
        memory_total_bytes: kilobytesIn(memory, 'MemTotal'), memory_available_bytes: kilobytesIn(memory, 'MemAvailable'),
        disk_total_bytes: disk && disk.blocks * disk.bsize, disk_available_bytes: disk && disk.bavail * disk.bsize,
        temperature_celsius: await hottest(), throttled: throttled === undefined ? undefined : parseInt(throttled, 16),
      }
    },
  }
}

async function hottest(): Promise<number | undefined> {
  const zones = (await readdir(THERMAL).catch(() => [])).filter((name) => name.startsWith('thermal_zone'))
  const values = (await Promise.all(zones.map((zone) => textOf(`${THERMAL}/${zone}/temp`)))).map(Number).filter((value) => value > 0)
  return values.length === 0 ? undefined : Math.max(...values) / MILLI
}

/** Since the start, in ticks: user, nice, system, idle, iowait, irq, softirq, steal. */
function cpuIn(stat: string): { readonly busy: number; readonly total: number } | undefined {
  const numbers = /^cpu +([\d ]+)$/m.exec(stat)?.[1]?.split(' ').map(Number).slice(0, 8)
  if (numbers === undefined) return undefined
  const total = numbers.reduce((sum, one) => sum + one, 0)
  return { total, busy: total - (numbers[3] ?? 0) - (numbers[4] ?? 0) }
}

function kilobytesIn(meminfo: string, name: string): number | undefined {
  const [, digits] = new RegExp(`^${name}: +(\\d+) kB$`, 'm').exec(meminfo) ?? []
  return digits === undefined ? undefined : Number(digits) * 1024
}

async function textOf(path: string): Promise<string> {
  return await readFile(path, 'utf8').catch(() => '')
}
