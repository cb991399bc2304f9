/** Codes for the day the phone is gone: each is good once. Only their MACs are kept. */
import { randomBytes } from 'node:crypto'
import { toBase32 } from './base32.ts'

const CODES = 10
/** 80 bits: far beyond guessing, even without the back-off. */
const CODE_BYTES = 10
const GROUP = 4

export function newRecoveryCodes(): readonly string[] {
  return Array.from({ length: CODES }, () => grouped(toBase32(randomBytes(CODE_BYTES))))
}

/** As typed by people, in one form: no spaces, no dashes, capitals. */
export function normalizeRecoveryCode(code: string): string {
  return code.replace(/[\s-]/g, '').toUpperCase()
}

function grouped(text: string): string {
  return (text.match(new RegExp(`.{1,${GROUP}}`, 'g')) ?? []).join('-')
}
