/** How many who push are told apart: their names are in the heads of blocks, and those are in memory. */
import type { Line } from '../logs/line.ts'

/** Functions with their replicas, of one life of this process. */
export const MAX_NAMES = 500
/** Under which the lines of all others are. */
export const OTHERS = 'others'

export function createPushedNames(): (line: Line) => Line {
  const names = new Set<string>()
  return (line) => {
    const name = `${line.functionName}\n${line.instance}`
    if (!names.has(name) && names.size >= MAX_NAMES) return { ...line, functionName: OTHERS, instance: '' }
    names.add(name)
    return line
  }
}
