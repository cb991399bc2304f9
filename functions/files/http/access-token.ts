/** Access tokens of the auth service (RFC 9068): algorithm, type, issuer and audience are ours to choose, not the token's (RFC 8725). */
import { decodeProtectedHeader, errors, jwtVerify } from 'jose'
import * as z from 'zod'
import type { Jwks } from './jwks.ts'

export type AccessTokenDeps = {
  readonly jwks: Jwks
  readonly issuer: string
  readonly audience: string
  readonly nowMs: () => number
}

const ALGORITHM = 'EdDSA'
const TYPE = 'at+jwt'
/** Clocks of boards differ. */
const LEEWAY_SECONDS = 5
/** Auth's have about 700 bytes. */
const MAX_LENGTH = 4096
const claims = z.object({ sub: z.string().regex(/^[A-Za-z0-9._:@-]{1,128}$/) })

/** Answers `sub` of a token that is good, `undefined` for everything else. Knows nothing of sessions that have ended. */
export function createAccessTokens({ jwks, issuer, audience, nowMs }: AccessTokenDeps): (token: string) => Promise<string | undefined> {
  return async (token) => {
    if (token.length > MAX_LENGTH) return undefined
    try {
      const { kid } = decodeProtectedHeader(token)
      const key = typeof kid === 'string' ? await jwks.find(kid) : undefined
      if (key === undefined) return undefined
      const { payload } = await jwtVerify(token, key, {
        algorithms: [ALGORITHM], typ: TYPE, issuer, audience, clockTolerance: LEEWAY_SECONDS, currentDate: new Date(nowMs()), requiredClaims: ['exp', 'iat', 'sub'],
      })
      return claims.safeParse(payload).data?.sub
    } catch (error) {
      if (error instanceof errors.JOSEError || error instanceof TypeError || error instanceof SyntaxError) return undefined
      throw error
    }
  }
}
