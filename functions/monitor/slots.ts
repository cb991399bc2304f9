/** So many at once, and so many more wait: each search holds a block in memory, and a board has few cores. */
export type Slots = {
  /** Waits for a slot; throws what `full` makes when too many wait already. */
  run<T>(act: () => Promise<T>): Promise<T>
}

export function createSlots(atOnce: number, maxWaiting: number, full: () => Error): Slots {
  const waiting: (() => void)[] = []
  let running = 0
  return {
    async run(act) {
      if (running >= atOnce) {
        if (waiting.length >= maxWaiting) throw full()
        await new Promise<void>((resolve) => waiting.push(resolve))
      } else running++
      try {
        return await act()
      } finally {
        // The slot is handed over, or given back.
        const next = waiting.shift()
        if (next === undefined) running--
        else next()
      }
    },
  }
}
