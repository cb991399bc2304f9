/** Access tokens: JWTs of RFC 9068 signed with EdDSA, checked as RFC 8725 wants it. ID tokens of OpenID Connect come from here too. */
import { decodeProtectedHeader, errors, type JWTPayload, jwtVerify, SignJWT } from 'jose'
import * as z from 'zod'
import { newId } from './opaque.ts'
import type { SigningKeys } from './signing-keys.ts'

export type AccessClaims = {
  readonly sub: string
  readonly jti: string
  readonly iat: number
  readonly exp: number
  /** The session it belongs to; none for machines. */
  readonly sid?: string | undefined
  readonly client_id: string
  readonly scope: string
  readonly roles: readonly string[]
}

export type NewAccessToken = {
  readonly userId: string
  readonly sessionId?: string | undefined
  readonly clientId: string
  readonly scope: string
  readonly roles: readonly string[]
  readonly authAtMs?: number | undefined
  readonly amr?: readonly string[] | undefined
}

export type NewIdToken = {
  readonly userId: string
  readonly clientId: string
  readonly sessionId: string
  readonly nonce: string | undefined
  readonly authAtMs: number
  readonly amr: readonly string[]
  readonly claims: JWTPayload
}

export type AccessTokens = {
  sign(token: NewAccessToken, nowMs: number): Promise<string>
  signId(token: NewIdToken, nowMs: number): Promise<string>
  /** The claims of a token that was made here for here and is not over; `undefined` for everything else. Knows nothing of revocation. */
  verify(token: string, nowMs: number): Promise<AccessClaims | undefined>
}

export type AccessTokenDeps = {
  readonly keys: SigningKeys
  readonly issuer: string
  /** Who the access tokens are for: the services of this platform. */
  readonly audience: string
  readonly lifeMs: number
}

/** The only one, so that nobody can choose a weaker one, or none (RFC 8725, section 3.1). */
const ALGORITHM = 'EdDSA'
/** Tells an access token from any other JWT that the same key signs (RFC 8725, section 3.11). */
const ACCESS_TYPE = 'at+jwt'
const ID_TYPE = 'JWT'
/** Clocks of boards differ. */
export const LEEWAY_SECONDS = 5
/** Ours have about 700 bytes; a longer one is not worth a look. */
const MAX_LENGTH = 4096

const claimsSchema = z.object({
  sub: z.string().min(1), jti: z.string().min(1), iat: z.number(), exp: z.number(), sid: z.string().optional(),
  client_id: z.string(), scope: z.string(), roles: z.array(z.string()),
})

export function createAccessTokens({ keys, issuer, audience, lifeMs }: AccessTokenDeps): AccessTokens {
  const make = async (type: string, payload: JWTPayload, aud: string, nowMs: number): Promise<string> => {
    const { kid, privateKey } = await keys.current(nowMs)
    const now = Math.floor(nowMs / 1000)
    return new SignJWT(payload).setProtectedHeader({ alg: ALGORITHM, typ: type, kid })
      .setIssuer(issuer).setAudience(aud).setIssuedAt(now).setExpirationTime(now + Math.ceil(lifeMs / 1000))
      .sign(privateKey)
  }

  return {
    sign: ({ userId, sessionId, clientId, scope, roles, authAtMs, amr }, nowMs) => make(ACCESS_TYPE, {
      sub: userId, jti: newId('jti'), client_id: clientId, scope, roles: [...roles],
      ...(sessionId !== undefined && { sid: sessionId }),
      ...(authAtMs !== undefined && { auth_time: Math.floor(authAtMs / 1000) }),
      ...(amr !== undefined && { amr: [...amr] }),
    }, audience, nowMs),

    signId: ({ userId, clientId, sessionId, nonce, authAtMs, amr, claims }, nowMs) => make(ID_TYPE, {
      ...claims,
      sub: userId, sid: sessionId, auth_time: Math.floor(authAtMs / 1000), amr: [...amr],
      ...(nonce !== undefined && { nonce }),
    }, clientId, nowMs),

    async verify(token, nowMs) {
      if (token.length > MAX_LENGTH) return undefined
      try {
        const { kid } = decodeProtectedHeader(token)
        const key = typeof kid === 'string' ? await keys.find(kid, nowMs) : undefined
        if (key === undefined) return undefined
        const { payload } = await jwtVerify(token, key.publicKey, {
          algorithms: [ALGORITHM], typ: ACCESS_TYPE, issuer, audience,
          clockTolerance: LEEWAY_SECONDS, currentDate: new Date(nowMs), requiredClaims: ['exp', 'iat', 'sub', 'jti'],
        })
        return claimsSchema.safeParse(payload).data
      } catch (error) {
        // Anything that is wrong with the token; not what is wrong with the database.
        if (error instanceof errors.JOSEError || error instanceof TypeError || error instanceof SyntaxError) return undefined
        throw error
      }
    },
  }
}
