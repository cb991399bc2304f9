/** Proof Key for Code Exchange (RFC 7636), S256 only: `plain` protects against nothing. Pure. */
import { createHash, timingSafeEqual } from 'node:crypto'

/** RFC 7636, section 4.1. */
const verifierPattern = /^[A-Za-z0-9._~-]{43,128}$/
/** A SHA-256 in base64url, section 4.2. */
const challengePattern = /^[A-Za-z0-9_-]{43}$/

export function isPkceChallenge(text: string): boolean {
  return challengePattern.test(text)
}

/** Whether the verifier is the one the challenge was made of. */
export function checkPkce(verifier: string, challenge: string): boolean {
  if (!verifierPattern.test(verifier) || !challengePattern.test(challenge)) return false
  const made = createHash('sha256').update(verifier).digest()
  return timingSafeEqual(made, Buffer.from(challenge, 'base64url'))
}
