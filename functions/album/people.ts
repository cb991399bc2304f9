/** Who calls: the owner of an access token of the auth service, whose keys are fetched now and then. */
import { HttpError } from '@bramble/runtime'
import { createRemoteJWKSet, errors, jwtVerify } from 'jose'

/** The id of the caller. Throws 401 for a bad token, 503 when there are no keys to check it with. */
export type Identify = (request: Request) => Promise<string>

/** What a checked token can be guilty of; other failures are of the keys' way here. */
const guilty = [
  errors.JWTExpired, errors.JWTClaimValidationFailed, errors.JWTInvalid, errors.JWSInvalid, errors.JWSSignatureVerificationFailed,
  errors.JOSEAlgNotAllowed, errors.JOSENotSupported, errors.JWKSNoMatchingKey,
]

export function createIdentify({ authUrl, issuer, audience }: { readonly authUrl: string; readonly issuer: string; readonly audience: string }): Identify {
  const keys = createRemoteJWKSet(new URL(`${authUrl}/oauth/jwks`))
  return async (request) => {
    const token = /^Bearer +(\S+)$/i.exec(request.headers.get('authorization') ?? '')?.[1]
    if (token === undefined) throw new HttpError(401, 'log in, and show the access token: "Authorization: Bearer TOKEN"')
    try {
      const { payload } = await jwtVerify(token, keys, { issuer, audience, algorithms: ['EdDSA'], typ: 'at+jwt', requiredClaims: ['sub', 'exp'] })
      return payload.sub ?? ''
    } catch (error) {
      if (guilty.some((kind) => error instanceof kind)) throw new HttpError(401, 'this access token is not, or no longer, good: log in again')
      throw new HttpError(503, 'the keys of the auth service cannot be fetched: try again')
    }
  }
}
