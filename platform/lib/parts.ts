/** Parts with a life: started in order, stopped backwards; a start that fails undoes what it began. */

export type Part = {
  /** Acquires what the part needs. A second call does nothing. */
  start(): Promise<void>
  /** Gives everything back. May be called twice, and before `start`. */
  stop(): Promise<void>
}

export type Parts = Part & { add(name: string, part: Part): void }

/**
 * Stops never hide each other: every part is stopped, then the first failure is thrown. A stop during a start waits
 * for the part that is starting, lets no further one begin, and the start fails.
 */
export function createParts(): Parts {
  const parts: { name: string; part: Part }[] = []
  const started: { name: string; part: Part }[] = []
  let starting: Promise<void> | undefined
  let stopping: Promise<void> | undefined

  const startAll = async (): Promise<void> => {
    for (const entry of parts) {
      if (stopping) throw new Error(`stopped before ${entry.name} had started`)
      started.push(entry)
      await entry.part.start()
    }
  }

  const stopAll = async (): Promise<void> => {
    const failures: unknown[] = []
    for (const { name, part } of started.splice(0).reverse()) {
      try {
        await part.stop()
      } catch (cause) {
        failures.push(new Error(`${name} did not stop`, { cause }))
      }
    }
    if (failures.length > 0) throw failures[0]
  }

  return {
    add: (name, part) => parts.push({ name, part }),
    start() {
      starting ??= startAll().catch(async (error: unknown) => {
        await stopAll().catch(() => undefined)
        starting = undefined
        throw error
      })
      return starting
    },
    stop() {
      stopping ??= (async () => {
        await starting?.catch(() => undefined)
        await stopAll()
      })().finally(() => {
        starting = undefined
        stopping = undefined
      })
      return stopping
    },
  }
}
