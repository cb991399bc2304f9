/** Idempotency keys of the last day, bounded in number: the oldest are forgotten first. No I/O. */

export type KeyNote = {
  readonly callId: string
  /** Wall clock. */
  readonly atMs: number
  readonly seq: number
  /** The segment that holds it. */
  segment: number
}

export type Keys = {
  find(key: string, wallMs: number): KeyNote | undefined
  remember(key: string, note: KeyNote): void
  /** Those in a segment that still count; the others in it are forgotten. */
  inSegment(segment: number, wallMs: number): readonly (readonly [string, KeyNote])[]
  readonly size: number
}

export const KEY_LIFE_MS = 24 * 3_600_000

export function createKeys(deps: { readonly maxKeys: number }): Keys {
  const notes = new Map<string, KeyNote>()
  const isOver = (note: KeyNote, wallMs: number): boolean => wallMs - note.atMs > KEY_LIFE_MS

  return {
    find(key, wallMs) {
      const note = notes.get(key)
      return note === undefined || isOver(note, wallMs) ? undefined : note
    },
    remember(key, note) {
      notes.delete(key)
      notes.set(key, note)
      if (notes.size <= deps.maxKeys) return
      const [oldest] = notes.keys()
      if (oldest !== undefined) notes.delete(oldest)
    },
    inSegment(segment, wallMs) {
      const found: [string, KeyNote][] = []
      for (const [key, note] of notes) {
        if (note.segment !== segment) continue
        if (isOver(note, wallMs)) notes.delete(key)
        else found.push([key, note])
      }
      return found
    },
    get size() { return notes.size },
  }
}
