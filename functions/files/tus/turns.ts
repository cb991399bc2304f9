/**
 * One call at a time for each upload. The next one ends the one before: whoever asks for the offset, or sends the next bytes, has given
 * up the connection that this server may still believe in.
 */
export type Turns = <T>(id: string, body: (signal: AbortSignal) => Promise<T>) => Promise<T>

export function createTurns(): Turns & { isBusy(id: string): boolean } {
  const running = new Map<string, { readonly controller: AbortController; readonly done: Promise<unknown> }>()
  const take = async <T>(id: string, body: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    for (let before = running.get(id); before !== undefined; before = running.get(id)) {
      before.controller.abort(new Error('another call for this upload has come'))
      await before.done
    }
    const controller = new AbortController()
    const result = body(controller.signal)
    const done = result.then(() => undefined, () => undefined).finally(() => running.delete(id))
    running.set(id, { controller, done })
    return result
  }
  return Object.assign(take, { isBusy: (id: string) => running.has(id) })
}
