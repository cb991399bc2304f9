/** The path of a file: names with slashes between. One that could be mistaken for another, or for something else, is refused. */
import { Problem } from '@bramble/runtime/service/problem'

/** In characters of a call; in bytes of UTF-8 where it is kept. */
export const MAX_PATH_LENGTH = 1024
/** Of UTF-8, as file systems have it: what is downloaded can be kept under its name. */
const MAX_NAME_BYTES = 255
const MAX_DEPTH = 32
/** C0 and C1, line and paragraph separators. */
const controls = /[\0-\x1f\x7f-\x9f\u2028\u2029]/
/** They turn `gpj.exe` round, or are not seen at all. Joiners are left: letters and emoji need them. */
const unseen = /[\u00ad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/u

/** In Unicode's form NFC, so that what looks the same is the same. Throws 422 `bad_name`. */
export function checkPath(text: string, where = '/path'): string {
  if (!text.isWellFormed()) throw badName(where, 'is not Unicode: half of a character is missing')
  const path = text.normalize('NFC')
  if (Buffer.byteLength(path) > MAX_PATH_LENGTH) throw badName(where, `is longer than ${MAX_PATH_LENGTH} bytes`)
  const names = path.split('/')
  if (names.length > MAX_DEPTH) throw badName(where, `is more than ${MAX_DEPTH} folders deep`)
  for (const name of names) {
    const complaint = complaintAbout(name)
    if (complaint !== undefined) throw badName(where, complaint)
  }
  return path
}

/** The same for a folder; empty: the one above all. */
export function checkFolder(text: string, where = '/folder'): string {
  return text === '' ? '' : checkPath(text, where)
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

function complaintAbout(name: string): string | undefined {
  if (name === '') return 'has a name without characters: no slash at its beginning or end, and no two together'
  if (name === '.' || name === '..') return `must not have "${name}" in it`
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) return `has a name of more than ${MAX_NAME_BYTES} bytes`
  if (controls.test(name)) return 'has a control character in it'
  if (unseen.test(name)) return 'has a character in it that is not seen or turns the direction of writing'
  if (name.includes('\\')) return 'has a backslash in it, which is a slash for some'
  return name.trim() === name ? undefined : 'has a name that begins or ends with white space'
}

function badName(path: string, detail: string): Problem {
  return new Problem(422, 'bad_name', `the path ${detail}`, { errors: [{ in: 'path', path, detail }] })
}
