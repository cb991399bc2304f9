/**
 * One call at a time for each upload. The next one ends the one before: whoever asks for the offset, or sends the next bytes, has given
 * up the connection that this server may still believe in. Only the owner's calls do that: whose an upload is, is found out later.
 */
export type Supersede = <T>(owner: string, id: string, body: (signal: AbortSignal) => Promise<T>) => Promise<T>

export function createSupersede(): Supersede {
  const running = new Map<string, { readonly controller: AbortController; readonly done: Promise<unknown> }>()
  return async (owner, id, body) => {
    const key = JSON.stringify([owner, id])
    for (let before = running.get(key); before !== undefined; before = running.get(key)) {
      before.controller.abort(new Error('another call for this upload has come'))
      await before.done
    }
    const controller = new AbortController()
    const result = body(controller.signal)
    const done = result.then(() => undefined, () => undefined).finally(() => running.delete(key))
    running.set(key, { controller, done })
    return result
  }
}
