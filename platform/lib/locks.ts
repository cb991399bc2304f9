/** Locks by name: holders of `shared` run side by side, a holder of `exclusive` runs alone; first come, first served. */
export type Locks = {
  shared<T>(name: string, body: () => Promise<T>): Promise<T>
  exclusive<T>(name: string, body: () => Promise<T>): Promise<T>
}

/** `last` ends when all before it have; `readers` are those since the last exclusive holder. */
type Entry = { last: Promise<unknown>; readers: Promise<unknown>[]; waiting: number }

export function createLocks(): Locks {
  const entries = new Map<string, Entry>()

  const enter = async <T>(name: string, queue: (entry: Entry) => Promise<T>): Promise<T> => {
    const entry = entries.get(name) ?? { last: Promise.resolve(), readers: [], waiting: 0 }
    entries.set(name, entry)
    entry.waiting++
    try {
      return await queue(entry)
    } finally {
      entry.waiting--
      if (entry.waiting === 0) entries.delete(name)
    }
  }
  const settled = (promises: readonly Promise<unknown>[]): Promise<unknown> => Promise.allSettled(promises)

  return {
    shared: (name, body) => enter(name, (entry) => {
      const result = entry.last.then(body)
      entry.readers = [...entry.readers, result]
      const forget = (): void => { entry.readers = entry.readers.filter((reader) => reader !== result) }
      result.then(forget, forget)
      return result
    }),
    exclusive: (name, body) => enter(name, (entry) => {
      const result = settled([entry.last, ...entry.readers]).then(body)
      entry.last = settled([result])
      entry.readers = []
      return result
    }),
  }
}
