/** Time-based one-time passwords: RFC 6238 over RFC 4226 with SHA-1, 6 digits and 30 s, which every authenticator app knows. Pure but for the secret. */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { toBase32 } from './base32.ts'

/** RFC 4226, section 4: at least 128 bits, 160 recommended. */
const SECRET_BYTES = 20
const STEP_MS = 30_000
const DIGITS = 6
/** One step each way: clocks of phones and boards differ (RFC 6238, section 5.2). */
const SKEW_STEPS = 1

export function newTotpSecret(): Buffer {
  return randomBytes(SECRET_BYTES)
}

/** What an authenticator app reads, mostly as a QR code. */
export function totpUri(secret: Buffer, { issuer, account }: { readonly issuer: string; readonly account: string }): string {
  const label = `${encodeURIComponent(issuer)}:${encodeURIComponent(account)}`
  return `otpauth://totp/${label}?secret=${toBase32(secret)}&issuer=${encodeURIComponent(issuer)}&algorithm=SHA1&digits=${DIGITS}&period=${STEP_MS / 1000}`
}

export function totpStep(nowMs: number): number {
  return Math.floor(nowMs / STEP_MS)
}

export function totpCode(secret: Buffer, step: number): string {
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(step))
  const mac = createHmac('sha1', secret).update(counter).digest()
  const offset = (mac.at(-1) ?? 0) & 15
  return String((mac.readUInt32BE(offset) & 0x7fffffff) % 10 ** DIGITS).padStart(DIGITS, '0')
}

/**
 * The step a code belongs to, or `undefined` when it is wrong. Only steps after `lastStep` count: a code is good once, and the
 * caller remembers the answer. Compares with every step, so that time tells nothing.
 */
export function checkTotp(secret: Buffer, code: string, nowMs: number, lastStep: number): number | undefined {
  if (!/^\d{6}$/.test(code)) return undefined
  const given = Buffer.from(code)
  let found: number | undefined
  for (let step = totpStep(nowMs) - SKEW_STEPS; step <= totpStep(nowMs) + SKEW_STEPS; step++) {
    if (timingSafeEqual(Buffer.from(totpCode(secret, step)), given) && step > lastStep) found = step
  }
  return found
}
