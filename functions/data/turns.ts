/** By database: changes go side by side, until one must have it alone because it depends on what it has just read. */
export type Turns = {
  share<T>(name: string, body: () => Promise<T>): Promise<T>
  alone<T>(name: string, body: () => Promise<T>): Promise<T>
}

/** `last`: the end of the newest that is alone. `sharing`: those since. */
type Line = { last: Promise<unknown>; readonly sharing: Set<Promise<unknown>>; entries: number }

export function createTurns(): Turns {
  const lines = new Map<string, Line>()

  const enter = async <T>(name: string, queue: (line: Line) => Promise<T>): Promise<T> => {
    const line = lines.get(name) ?? { last: Promise.resolve(), sharing: new Set(), entries: 0 }
    lines.set(name, line)
    line.entries++
    try {
      return await queue(line)
    } finally {
      line.entries--
      if (line.entries === 0) lines.delete(name)
    }
  }

  return {
    share: (name, body) => enter(name, (line) => {
      const result = line.last.then(body)
      const settled: Promise<unknown> = result.then(() => undefined, () => undefined).then(() => line.sharing.delete(settled))
      line.sharing.add(settled)
      return result
    }),
    alone: (name, body) => enter(name, (line) => {
      const result = Promise.all([line.last, ...line.sharing]).then(body)
      line.last = result.then(() => undefined, () => undefined)
      line.sharing.clear()
      return result
    }),
  }
}
