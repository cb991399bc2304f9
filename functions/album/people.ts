/**
 * Who calls: the owner of an access token of the auth service, whose keys are fetched now and then. The files service gets the same token:
 * what is good here must be good there, so its rules are those of files (http/access-token.ts).
 */
import { HttpError } from '@bramble/runtime'
import { createRemoteJWKSet, errors, jwtVerify, type JWTVerifyGetKey } from 'jose'

/** The id of the caller. Throws 401 for a bad token, 503 when there are no keys to check it with. */
export type Identify = (request: Request) => Promise<string>

/** What a checked token can be guilty of; other failures are of the keys' way here. */
const guilty = [
  errors.JWTExpired, errors.JWTClaimValidationFailed, errors.JWTInvalid, errors.JWSInvalid, errors.JWSSignatureVerificationFailed,
  errors.JOSEAlgNotAllowed, errors.JOSENotSupported, errors.JWKSNoMatchingKey,
]

/** Clocks of boards differ. */
const LEEWAY_SECONDS = 5
/** Auth's have about 700 bytes. */
const MAX_LENGTH = 4096
const knownAs = /^[A-Za-z0-9._:@-]{1,128}$/

/** The token of `Authorization: Bearer TOKEN` (RFC 6750), `undefined` when there is none. */
export function bearerIn(request: Request): string | undefined {
  return /^Bearer +([-._~+/A-Za-z0-9]+=*)$/i.exec(request.headers.get('authorization') ?? '')?.[1]
}

export function createIdentify({ authUrl, issuer, audience }: { readonly authUrl: string; readonly issuer: string; readonly audience: string }): Identify {
  const keys = createRemoteJWKSet(new URL(`${authUrl}/oauth/jwks`))
  const keyOf: JWTVerifyGetKey = (header, token) => {
    // With one key only, it would be that one.
    if (header.kid === undefined) throw new errors.JWKSNoMatchingKey()
    return keys(header, token)
  }
  return async (request) => {
    const token = bearerIn(request)
    if (token === undefined) throw new HttpError(401, 'log in, and show the access token: "Authorization: Bearer TOKEN"')
    try {
      if (token.length > MAX_LENGTH) throw new errors.JWTInvalid('too long')
      const { payload: { sub = '' } } = await jwtVerify(token, keyOf, {
        issuer, audience, algorithms: ['EdDSA'], typ: 'at+jwt', clockTolerance: LEEWAY_SECONDS, requiredClaims: ['exp', 'iat', 'sub'],
      })
      if (!knownAs.test(sub)) throw new errors.JWTInvalid('not the id of a person')
      return sub
    } catch (error) {
      if (guilty.some((kind) => error instanceof kind)) throw new HttpError(401, 'this access token is not, or no longer, good: log in again')
      throw new HttpError(503, 'the keys of the auth service cannot be fetched: try again')
    }
  }
}
