/** Entity tags (RFC 9110, section 8.8.3) and the conditions made of them: no change is lost because two came at once. */
import { Problem } from './problem.ts'

/** A strong tag of a version: a number, a hash. */
export function etagOf(version: string | number): string {
  return `"${version}"`
}

/** Whether `If-Match` allows a change of what now has this tag; `undefined`: it is not there. No header allows everything. */
export function checkIfMatch(header: string | undefined, etag: string | undefined): void {
  if (header === undefined) return
  const isMatch = etag !== undefined && (header.trim() === '*' || tagsIn(header).includes(etag))
  if (isMatch) return
  const now = etag === undefined ? 'it is not there' : `it has ${etag}`
  throw new Problem(412, 'precondition_failed', `If-Match wants ${header}, but ${now}: read it again and decide anew`,
    etag === undefined ? {} : { headers: { etag } })
}

/** Whether a caller who sent `If-None-Match` has this already: the answer is then 304 for a reading call, 412 for a changing one. */
export function matchesNone(header: string | undefined, etag: string | undefined): boolean {
  if (header === undefined) return true
  if (etag === undefined) return true
  return header.trim() !== '*' && !tagsIn(header).some((tag) => tag.replace(/^W\//, '') === etag)
}

function tagsIn(header: string): readonly string[] {
  return header.match(/(?:W\/)?"[^"]*"/g) ?? []
}
