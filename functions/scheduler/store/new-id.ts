/** Ids of jobs: in the order of their making, roughly, and nobody guesses one. */
const { randomBytes } = process.getBuiltinModule('node:crypto')

const TIME_DIGITS = 9
const RANDOM_BYTES = 8

export function newId(): string {
  return Date.now().toString(36).padStart(TIME_DIGITS, '0') + randomBytes(RANDOM_BYTES).toString('hex')
}
