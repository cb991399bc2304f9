/** The header `Content-Digest` (RFC 9530): `sha-256=:BASE64:`, beside others that are left alone. */
import { Problem } from '@bramble/runtime/service/problem'

/** SHA-256 in hexadecimal. Throws 422 when there is one that cannot be read. */
export function digestIn(header: string | undefined): string | undefined {
  const member = header?.split(',').map((one) => one.trim()).find((one) => one.startsWith('sha-256='))
  if (member === undefined) return undefined
  const [, base64] = /^sha-256=:([A-Za-z0-9+/]{43}=):$/.exec(member) ?? []
  if (base64 !== undefined) return Buffer.from(base64, 'base64').toString('hex')
  const detail = 'must be sha-256=:BASE64: with the 32 bytes of the hash'
  throw new Problem(422, 'bad_digest', `Content-Digest ${detail}`, { errors: [{ in: 'header', path: '/content-digest', detail }] })
}
