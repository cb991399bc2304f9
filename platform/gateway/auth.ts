/** Basic authentication of `/system`. Source: RFC 7617; answers as the OpenFaaS provider gives them. */
import { createHash, timingSafeEqual } from 'node:crypto'

export type Credentials = { readonly user: string; readonly password: string }

/** A check of the `Authorization` header that takes the same time whatever is wrong with it. */
export function createAuthCheck(credentials: Credentials | undefined): (authorization: string | undefined) => boolean {
  if (credentials === undefined) return () => true
  const wanted = digest(`${credentials.user}:${credentials.password}`)
  return (authorization) => {
    const match = /^Basic +([A-Za-z0-9+/]+={0,2}) *$/i.exec(authorization ?? '')
    return timingSafeEqual(digest(Buffer.from(match?.[1] ?? '', 'base64')), wanted) && match !== null
  }
}

function digest(value: string | Uint8Array): Buffer {
  return createHash('sha256').update(value).digest()
}
