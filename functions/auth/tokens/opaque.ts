/** Opaque tokens: random, told to their owner once, and kept only as a hash. */
import { createHash, randomBytes } from 'node:crypto'

/** 256 bits: a plain SHA-256 of it needs no salt and no work factor. */
const TOKEN_BYTES = 32
/** 128 bits name a thing without telling how many there are. */
const ID_BYTES = 16

/** `PREFIX_…`: the prefix tells secret scanners, and people, what they found. */
export function newToken(prefix: string): string {
  return `${prefix}_${randomBytes(TOKEN_BYTES).toString('base64url')}`
}

export function newId(prefix: string): string {
  return `${prefix}_${randomBytes(ID_BYTES).toString('base64url')}`
}

/** What is stored and looked up: an index over hashes leaks no prefix of a token by its time. */
export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('base64url')
}
