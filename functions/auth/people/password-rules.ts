/** What a password must be (NIST SP 800-63B): long, and not what everybody would try first. Nothing about digits and signs. Pure. */
import { Problem } from '@bramble/runtime/service/problem'

/** Longer ones are accepted by nobody's keyboard, and cost hashing time. */
export const MAX_PASSWORD_CHARACTERS = 256

/** Throws with the field when the password is refused. */
export function checkNewPassword(
  password: string, { minLength, email, path }: { readonly minLength: number; readonly email: string; readonly path: string },
): void {
  const problem = problemOf(password, minLength, email)
  if (problem === undefined) return
  throw new Problem(422, 'weak_password', `the password ${problem}`, { errors: [{ in: 'body', path, detail: problem }] })
}

function problemOf(password: string, minLength: number, email: string): string | undefined {
  const characters = [...password.normalize('NFKC')]
  if (characters.length < minLength) return `has fewer than ${minLength} characters`
  if (new Set(characters).size < 5) return 'has fewer than 5 different characters'
  const lower = password.toLowerCase()
  const [local = ''] = email.split('@')
  if (lower === email || (local.length > 3 && lower.replaceAll(local, '').length < minLength / 2)) return 'is mostly the e-mail address'
  if (isRun(characters)) return 'is a row of neighbouring characters'
  return undefined
}

/** `abcdefghijkl`, `123456789012`, and the same backwards. */
function isRun(characters: readonly string[]): boolean {
  const codes = characters.map((character) => character.codePointAt(0) ?? 0)
  const steps = codes.slice(1).map((code, i) => code - (codes[i] ?? 0))
  return [1, -1].some((way) => steps.filter((step) => step === way).length >= steps.length * 0.8)
}
