/** Finds what belongs to a path. A package for it would cost a service more memory than all of its routes. */

export type Match<T> = {
  readonly found: T
  /** Decoded. */
  readonly params: Readonly<Record<string, string>>
}

export type Router<T> = {
  /**
   * `at` is `/v1/things/:id`: a name after a colon is one whole segment, not empty. `/v1/files/:path*` takes all that is left, where
   * no other entry fits; `%2F` in it becomes a slash like the others.
   */
  add(at: string, entry: T): void
  /** `undefined` when nothing is there. Throws `URIError` when a segment cannot be decoded. */
  find(path: string): Match<T> | undefined
}

type Pattern<T> = { readonly segments: readonly string[]; readonly entry: T }

export function createRouter<T>(): Router<T> {
  /** By the number of segments. */
  const patterns = new Map<number, Pattern<T>[]>()
  /** Those whose last name takes all that is left. */
  const open: Pattern<T>[] = []

  const fits = ({ segments }: Pattern<T>, path: readonly string[]): boolean => segments.length === path.length
    && segments.every((segment, i) => segment.startsWith(':') ? path[i] !== '' : segment === path[i])

  return {
    add(at, entry) {
      const segments = at.replace(/\*$/, '').split('/')
      if (at.endsWith('*')) return void open.push({ segments, entry })
      const group = patterns.get(segments.length) ?? []
      group.push({ segments, entry })
      // `/things/mine` before `/things/:id`, in whatever order they came.
      group.sort((one, other) => namesIn(one.segments).localeCompare(namesIn(other.segments)))
      patterns.set(segments.length, group)
    },

    find(path) {
      const segments = path.split('/')
      const match = patterns.get(segments.length)?.find((pattern) => fits(pattern, segments))
      if (match !== undefined) return { found: match.entry, params: paramsIn(match, segments) }
      for (const pattern of open) {
        const last = pattern.segments.length - 1
        const folded = [...segments.slice(0, last), segments.slice(last).join('/')]
        if (fits(pattern, folded)) return { found: pattern.entry, params: paramsIn(pattern, folded) }
      }
      return undefined
    },
  }
}

function paramsIn({ segments }: Pattern<unknown>, path: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(segments.flatMap((segment, i) =>
    segment.startsWith(':') ? [[segment.slice(1), decodeURIComponent(path[i] ?? '')] as const] : []))
}

/** Which segments are names, so that literal ones come first. */
function namesIn(segments: readonly string[]): string {
  return segments.map((segment) => segment.startsWith(':') ? '1' : '0').join('')
}
