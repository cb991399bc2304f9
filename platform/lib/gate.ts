/** Lets so many in at a time; the others wait in line. */
export type Gate = {
  /** Resolves with the way out, which may be used twice. */
  enter(): Promise<() => void>
}

export function createGate(places: number): Gate {
  const line: (() => void)[] = []
  let free = places

  const leave = (): void => {
    const next = line.shift()
    if (next) next()
    else free++
  }

  return {
    async enter() {
      if (free > 0) free--
      else await new Promise<void>((resolve) => line.push(resolve))
      let isInside = true
      return () => {
        if (isInside) leave()
        isInside = false
      }
    },
  }
}
