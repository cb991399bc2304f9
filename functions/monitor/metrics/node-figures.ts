/** What boards tell of themselves, as samples. Pure but for its clock. */
import { keyOf, type Sample } from './series.ts'

export type NodeFigures = {
  readonly cpu_cores?: number | undefined
  /** From 0 to 1, of all cores. */
  readonly cpu_used?: number | undefined
  readonly memory_total_bytes?: number | undefined
  readonly memory_available_bytes?: number | undefined
  readonly disk_total_bytes?: number | undefined
  readonly disk_available_bytes?: number | undefined
  readonly temperature_celsius?: number | undefined
  /** The firmware's bits: 0 under-voltage, 1 frequency capped, 2 throttled, 3 soft temperature limit; from 16 on: has been so since the start. */
  readonly throttled?: number | undefined
}

export type Nodes = {
  /** False for one more than there may be: who told of itself before stays, and is missed when it is lost. */
  hasRoomFor(name: string): boolean
  /** Also where there is no room: this board itself is always there. */
  put(name: string, figures: NodeFigures): void
  /** One that was there before this service began: it is lost if it does not come again. */
  restore(name: string, atMs: number): void
  list(): readonly { readonly name: string; readonly figures: NodeFigures; readonly atMs: number; readonly isUp: boolean }[]
  samples(): readonly Sample[]
}

/** The label `job` of what boards tell of themselves: the same board may be told of by a cluster too. */
export const BOARD_JOB = 'board'
/** Who has not told of itself for so long is lost. */
export const LOST_MS = 150_000
/** Who is lost for so long is gone: it was taken away. */
const FORGOTTEN_MS = 7 * 86_400_000
export const MAX_NODES = 200
const UNDER_VOLTAGE = 1
const ANY_THROTTLED = 0b1110

export function createNodes(nowMs: () => number): Nodes {
  const nodes = new Map<string, { readonly figures: NodeFigures; readonly atMs: number }>()
  const list: Nodes['list'] = () => [...nodes].map(([name, { figures, atMs }]) => ({ name, figures, atMs, isUp: nowMs() - atMs < LOST_MS }))
  const forget = (): void => {
    for (const [name, { atMs }] of nodes) if (nowMs() - atMs > FORGOTTEN_MS) nodes.delete(name)
  }
  return {
    hasRoomFor(name) {
      forget()
      return nodes.has(name) || nodes.size < MAX_NODES
    },
    put(name, figures) {
      forget()
      nodes.delete(name)
      nodes.set(name, { figures, atMs: nowMs() })
    },
    restore: (name, atMs) => { if (!nodes.has(name)) nodes.set(name, { figures: {}, atMs }) },
    list,
    samples: () => list().flatMap(({ name, figures, isUp }) => {
      const sample = (what: string, value: number | undefined): readonly Sample[] =>
        value === undefined ? [] : [{ key: keyOf(`bramble_node_${what}`, { job: BOARD_JOB, node: name }), value }]
      if (!isUp) return sample('up', 0)
      const { throttled, cpu_used: used, cpu_cores: cores, ...rest } = figures
      return [
        ...sample('up', 1), ...sample('cpu_cores', cores), ...sample('cpu_used_ratio', used),
        ...sample('cpu_used_cores', used === undefined || cores === undefined ? undefined : used * cores),
        ...Object.entries(rest).flatMap(([what, value]) => sample(what, value)),
        ...throttled === undefined ? [] : [...sample('under_voltage', throttled & UNDER_VOLTAGE), ...sample('throttled', Number((throttled & ANY_THROTTLED) !== 0))],
      ]
    }),
  }
}
