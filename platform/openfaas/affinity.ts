/** The annotation `bramble/affinity`: calls that agree in a part of them go to the same replica. */
import { BrambleError } from '../lib/errors.ts'

const AFFINITY_ANNOTATION = 'bramble/affinity'
/** Segments of a path, counted from 1; a deeper one would be a mistake. */
const MAX_SEGMENT = 16
const MAX_PARTS = 4
const headerName = /^[-!#$%&'*+.^_`|~0-9A-Za-z]{1,64}$/

/** What calls must agree in. A plain message. */
export type Affinity =
  /** Segments of the path that the function sees, from 1: of `/v1/pages/keys/a` the second is `pages`. */
  | { readonly by: 'path'; readonly segments: readonly number[] }
  /** A header, in lower case. */
  | { readonly by: 'header'; readonly name: string }

/** As the annotation has it. */
export function affinityText(affinity: Affinity): string {
  return affinity.by === 'path' ? `path:${affinity.segments.join(',')}` : `header:${affinity.name}`
}

/** `undefined` when there is none; `INVALID` for one that says nothing. */
export function readAffinity(annotations: Readonly<Record<string, string>>): Affinity | undefined {
  const text = annotations[AFFINITY_ANNOTATION]
  if (text === undefined) return undefined
  const [, by = '', what = ''] = /^(path|header):(.+)$/.exec(text) ?? []
  if (by === 'header' && headerName.test(what)) return { by, name: what.toLowerCase() }
  const segments = /^[1-9][0-9]?(?:,[1-9][0-9]?)*$/.test(what) ? what.split(',').map(Number) : []
  const isRight = segments.length > 0 && segments.length <= MAX_PARTS && segments.every((one, i) => one <= MAX_SEGMENT && one > (segments[i - 1] ?? 0))
  if (by === 'path' && isRight) return { by, segments }
  throw new BrambleError('INVALID',
    `annotation ${AFFINITY_ANNOTATION} must be like path:2, path:2,4 (up to ${MAX_PARTS} segments of the path, counted from 1 to ${MAX_SEGMENT}, in order) `
    + `or header:X-Key, not "${text.slice(0, 80)}"`)
}
