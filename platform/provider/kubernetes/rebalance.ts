/** Which replica moves when a board has come back and the others still carry its share. Pure. */
import { listAt, objectAt, textAt, textsAt, timeAt } from './json.ts'
import type { PodView } from './objects.ts'

export type NodeView = {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  /** Takes pods that tolerate nothing. */
  readonly isOpen: boolean
  readonly readySinceMs: number
}

/** A board that has just come back may go again: under-voltage, bad Wi-Fi. */
const STEADY_MS = 60_000
/** One replica more or less on a board is as even as it gets. */
const MAX_DIFFERENCE = 1

export function viewNode(object: unknown): NodeView {
  const ready = listAt(object, 'status', 'conditions').find((one) => textAt(one, 'type') === 'Ready')
  const isTainted = listAt(object, 'spec', 'taints').some((one) => textAt(one, 'effect') !== 'PreferNoSchedule')
  return {
    name: textAt(object, 'metadata', 'name') ?? '',
    labels: textsAt(object, 'metadata', 'labels'),
    isOpen: textAt(ready, 'status') === 'True' && !isTainted && objectAt(object, 'spec')['unschedulable'] !== true,
    readySinceMs: timeAt(ready, 'lastTransitionTime') ?? Infinity,
  }
}

export type Spread = {
  /** All of one function; all of them serve. */
  readonly pods: readonly PodView[]
  readonly nodes: readonly NodeView[]
  readonly nodeSelector: Readonly<Record<string, string>>
  readonly nowMs: number
}

export type Move = {
  readonly pod: PodView
  /** Replicas that the fullest board has more than the emptiest: a move that helps makes it smaller. */
  readonly difference: number
}

/** The youngest replica of the fullest board, when another board has room for it by two; else `undefined`. */
export function chooseMove({ pods, nodes, nodeSelector, nowMs }: Spread): Move | undefined {
  const open = nodes.filter(({ isOpen, labels, readySinceMs }) => isOpen && nowMs - readySinceMs > STEADY_MS &&
    Object.entries(nodeSelector).every(([key, value]) => labels[key] === value))
  if (pods.length < 2 || open.length < 2) return undefined
  const counts = open.map(({ name }) => ({ name, count: pods.filter(({ node }) => node === name).length }))
    .sort((a, b) => a.count - b.count)
  const [least, most] = [counts[0], counts.at(-1)]
  if (!least || !most || most.count - least.count <= MAX_DIFFERENCE) return undefined
  const [pod] = pods.filter(({ node }) => node === most.name).sort((a, b) => b.createdAtMs - a.createdAtMs)
  return pod && { pod, difference: most.count - least.count }
}
