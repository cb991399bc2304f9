/** The header `Range` (RFC 9110, section 14). */

/** `last` belongs to it. */
export type ByteRange = { readonly first: number; readonly last: number }

/** `whole`: no range, or one that is not understood and so ignored. `unsatisfiable`: 416. */
export type Ranges = 'whole' | 'unsatisfiable' | readonly ByteRange[]

/** More of them, or ones that overlap, are no reading but an attack: the whole content is sent instead. */
const MAX_RANGES = 16

export function rangesOf(header: string | undefined, sizeBytes: number): Ranges {
  const [, list] = /^bytes=(.*)$/i.exec(header ?? '') ?? []
  if (list === undefined) return 'whole'
  const specs = list.split(',').map((spec) => spec.replace(/^[ \t]+|[ \t]+$/g, '')).filter((spec) => spec !== '')
  if (specs.length === 0 || specs.length > MAX_RANGES) return 'whole'
  const ranges: ByteRange[] = []
  for (const spec of specs) {
    const [, from, to] = /^(\d{0,15})-(\d{0,15})$/.exec(spec) ?? []
    if (from === undefined || to === undefined || from + to === '') return 'whole'
    if (from === '') {
      const count = Math.min(Number(to), sizeBytes)
      if (count > 0) ranges.push({ first: sizeBytes - count, last: sizeBytes - 1 })
    } else {
      if (to !== '' && Number(to) < Number(from)) return 'whole'
      const last = to === '' ? sizeBytes - 1 : Math.min(Number(to), sizeBytes - 1)
      if (Number(from) < sizeBytes) ranges.push({ first: Number(from), last })
    }
  }
  if (ranges.length === 0) return 'unsatisfiable'
  const sorted = ranges.toSorted((one, other) => one.first - other.first)
  const doOverlap = sorted.some(({ first }, i) => i > 0 && first <= (sorted[i - 1]?.last ?? -1))
  return doOverlap ? 'whole' : ranges
}
