/** Who calls, and whose files it is about. */
import type { IncomingMessage } from 'node:http'
import { forbidden, Problem, unauthorized } from '@bramble/runtime/service/problem'
import type { RouteSpec } from '@bramble/runtime/service/route'
import { bearerToken, isSameText } from '@bramble/runtime/service/token'

export type Caller = { readonly kind: 'nobody' } | { readonly kind: 'service' } | { readonly kind: 'person'; readonly id: string }

/** Names of OpenAPI's security schemes. `person`: somebody with an access token, or a service for them. */
export type Access = 'public' | 'person' | 'service'

export type AccessDeps = {
  readonly serviceToken: string
  /** Of an access token, whose it is. */
  readonly personOf: (token: string) => Promise<string | undefined>
}

export function createAuthorize({ serviceToken, personOf }: AccessDeps) {
  return async (request: IncomingMessage, { access }: RouteSpec): Promise<Caller> => {
    if (access === 'public') return { kind: 'nobody' }
    const shown = bearerToken(request)
    if (shown === undefined) throw unauthorized('show an access token: "Authorization: Bearer TOKEN"')
    if (isSameText(shown, serviceToken)) return { kind: 'service' }
    const id = await personOf(shown)
    if (id === undefined) throw unauthorized('the token is wrong or over: refresh it, or log in')
    if (access === 'service') throw forbidden('this call takes the service token only')
    return { kind: 'person', id }
  }
}

/** `named` is `?owner=`: a service says whom it calls for, a person needs not. */
export function ownerOf(caller: Caller, named: string | undefined): string {
  if (caller.kind === 'person') {
    if (named !== undefined && named !== caller.id) throw forbidden('these are the files of somebody else')
    return caller.id
  }
  if (named !== undefined) return named
  const detail = 'must be there with the service token: whose files it is about'
  throw new Problem(422, 'owner_missing', `owner ${detail}`, { errors: [{ in: 'query', path: '/owner', detail }] })
}
