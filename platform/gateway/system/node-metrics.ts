/** What the machines of a cluster have and use, as Prometheus text. */
import type { NodeUsage } from '../../provider/provider.ts'

const gauges: readonly (readonly [string, string, (node: NodeUsage) => number | undefined])[] = [
  ['up', 'Whether the node could be asked', ({ isUp }) => Number(isUp)],
  ['cpu_cores', 'Cores', ({ cpuCores }) => cpuCores],
  ['cpu_used_cores', 'Cores in use', ({ cpuUsedCores }) => cpuUsedCores],
  ['memory_total_bytes', 'Memory', ({ memoryTotalBytes }) => memoryTotalBytes],
  ['memory_available_bytes', 'Memory that programs may still take', ({ memoryAvailableBytes }) => memoryAvailableBytes],
  ['disk_total_bytes', 'Size of the file system of the node', ({ diskTotalBytes }) => diskTotalBytes],
  ['disk_available_bytes', 'Free on it', ({ diskAvailableBytes }) => diskAvailableBytes],
]

export function exposeNodes(nodes: readonly NodeUsage[]): string {
  if (nodes.length === 0) return ''
  return gauges.flatMap(([what, help, valueOf]) => {
    const name = `bramble_node_${what}`
    const lines = nodes.flatMap((node) => {
      const value = valueOf(node)
      return value === undefined ? [] : [`${name}{node="${node.name}"} ${value}`]
    })
    return lines.length === 0 ? [] : [`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, ...lines]
  }).map((line) => `${line}\n`).join('')
}
