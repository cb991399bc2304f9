/** Finds what belongs to a path. A package for it would cost a service more memory than all of its routes. */

export type Match<T> = {
  readonly found: T
  /** Decoded. */
  readonly params: Readonly<Record<string, string>>
}

export type Router<T> = {
  /** `at` is `/v1/things/:id`: a name after a colon is one whole segment, not empty. */
  add(at: string, entry: T): void
  /** `undefined` when nothing is there. Throws `URIError` when a segment cannot be decoded. */
  find(path: string): Match<T> | undefined
}

type Pattern<T> = { readonly segments: readonly string[]; readonly entry: T }

export function createRouter<T>(): Router<T> {
  /** By the number of segments. */
  const patterns = new Map<number, Pattern<T>[]>()

  return {
    add(at, entry) {
      const segments = at.split('/')
      const group = patterns.get(segments.length) ?? []
      group.push({ segments, entry })
      // `/things/mine` before `/things/:id`, in whatever order they came.
      group.sort((one, other) => namesIn(one.segments).localeCompare(namesIn(other.segments)))
      patterns.set(segments.length, group)
    },

    find(path) {
      const segments = path.split('/')
      const match = patterns.get(segments.length)?.find((pattern) => pattern.segments.every((segment, i) =>
        segment.startsWith(':') ? segments[i] !== '' : segment === segments[i]))
      if (match === undefined) return undefined
      const params = match.segments.flatMap((segment, i) =>
        segment.startsWith(':') ? [[segment.slice(1), decodeURIComponent(segments[i] ?? '')] as const] : [])
      return { found: match.entry, params: Object.fromEntries(params) }
    },
  }
}

/** Which segments are names, so that literal ones come first. */
function namesIn(segments: readonly string[]): string {
  return segments.map((segment) => segment.startsWith(':') ? '1' : '0').join('')
}
