/**
 * How far each replica's log has been read: the last millisecond, and how many of its lines. The platform numbers no lines, but those of
 * one replica come in order of time, so what comes again after a reconnection is told apart exactly.
 */
import type { Line } from './line.ts'

export type Cursor = { readonly timeMs: number; readonly nth: number }

export type Cursors = {
  /** Takes note of a line that is kept. Pushed lines say nothing. */
  note(line: Pick<Line, 'functionName' | 'namespace' | 'instance' | 'timeMs' | 'nth'>): void
  /** By instance. */
  of(functionName: string, namespace: string): ReadonlyMap<string, Cursor>
  all(): readonly CursorRow[]
}

/** Function, namespace, replica, millisecond, lines in it. */
export type CursorRow = readonly [string, string, string, number, number]

/** Of one function: replicas that ended long ago go. */
const MAX_INSTANCES = 200
const MAX_FUNCTIONS = 1000

export function createCursors(): Cursors {
  const functions = new Map<string, Map<string, Cursor>>()
  const set = (key: string, instance: string, cursor: Cursor): void => {
    const own = functions.get(key) ?? new Map<string, Cursor>()
    // The last noted is the last in the map, in both.
    own.delete(instance)
    own.set(instance, cursor)
    functions.delete(key)
    functions.set(key, own)
    if (own.size > MAX_INSTANCES) own.delete(own.keys().next().value ?? '')
    if (functions.size > MAX_FUNCTIONS) functions.delete(functions.keys().next().value ?? '')
  }
  return {
    note({ functionName, namespace, instance, timeMs, nth }) {
      if (nth === 0) return
      const key = `${functionName}.${namespace}`
      const present = functions.get(key)?.get(instance)
      if (present === undefined || timeMs > present.timeMs || (timeMs === present.timeMs && nth > present.nth)) set(key, instance, { timeMs, nth })
    },
    of: (functionName, namespace) => functions.get(`${functionName}.${namespace}`) ?? new Map(),
    all: () => [...functions].flatMap(([key, own]) => {
      const dot = key.indexOf('.')
      return [...own].map(([instance, { timeMs, nth }]): CursorRow => [key.slice(0, dot), key.slice(dot + 1), instance, timeMs, nth])
    }),
  }
}
