/** One at a time for each name: who collects a content and who stores it again must not do so at once. */
export type HashLocks = <T>(name: string, body: () => Promise<T>) => Promise<T>

export function createHashLocks(): HashLocks {
  const last = new Map<string, Promise<unknown>>()
  return (name, body) => {
    const mine = (last.get(name) ?? Promise.resolve()).then(body, body)
    const settled = mine.then(() => undefined, () => undefined).finally(() => {
      if (last.get(name) === settled) last.delete(name)
    })
    last.set(name, settled)
    return mine
  }
}
