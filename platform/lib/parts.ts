/** Parts with a life: started in order, stopped backwards; a start that fails undoes what it began. */

export type Part = {
  /** Acquires what the part needs. A second call does nothing. */
  start(): Promise<void>
  /** Gives everything back. May be called twice, and before `start`. */
  stop(): Promise<void>
}

export type Parts = Part & { add(name: string, part: Part): void }

/** Stops never hide each other: every part is stopped, then the first failure is thrown. */
export function createParts(): Parts {
  const parts: { name: string; part: Part }[] = []
  let started: { name: string; part: Part }[] = []

  const stop = async (): Promise<void> => {
    const failures: unknown[] = []
    for (const { name, part } of started.splice(0).reverse()) {
      await part.stop().catch((cause: unknown) => {
        failures.push(new Error(`${name} did not stop`, { cause }))
      })
    }
    if (failures.length > 0) throw failures[0]
  }

  return {
    add: (name, part) => parts.push({ name, part }),
    async start() {
      if (started.length > 0) return
      started = []
      for (const entry of parts) {
        started.push(entry)
        try {
          await entry.part.start()
        } catch (error) {
          await stop().catch(() => undefined)
          throw error
        }
      }
    },
    stop,
  }
}
