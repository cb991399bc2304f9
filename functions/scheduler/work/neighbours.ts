/**
 * Which other replicas are dead: those that have runs and whose beat has not changed for so long, by the clock of whoever looks, from
 * the moment he saw that beat first. Clocks of boards may differ and jump; only how fast they go counts. Pure: no clock.
 */
export type Seen = { readonly owner: string; readonly beat: number | null }

export type Neighbours = {
  /** Those to take over from. `owners` are all that have runs now. */
  observe(owners: readonly Seen[], nowMs: number): readonly Seen[]
  /** Until the first of those seen is taken for dead; `undefined`: there is none. */
  dueInMs(nowMs: number): number | undefined
}

export function createNeighbours({ silenceMs }: { readonly silenceMs: number }): Neighbours {
  let known = new Map<string, { readonly beat: number | null; readonly sinceMs: number }>()
  return {
    observe(owners, nowMs) {
      known = new Map(owners.map(({ owner, beat }) => {
        const before = known.get(owner)
        return [owner, before?.beat === beat ? before : { beat, sinceMs: nowMs }]
      }))
      return owners.filter(({ owner }) => nowMs - (known.get(owner)?.sinceMs ?? nowMs) >= silenceMs)
    },
    dueInMs(nowMs) {
      const firstMs = known.values().reduce((first, { sinceMs }) => Math.min(first, sinceMs), Infinity)
      return firstMs === Infinity ? undefined : Math.max(0, firstMs + silenceMs - nowMs)
    },
  }
}
