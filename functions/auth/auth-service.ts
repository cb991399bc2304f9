/** The auth service over its parts: routes, who may call them, and the description. */
import type { ListenerHandler } from '@bramble/runtime'
import { createService } from '@bramble/runtime/service/service'
import type { Deps } from './deps.ts'
import { adminRoutes } from './http/admin-routes.ts'
import { type Access, type Caller, createAuthorize } from './http/caller.ts'
import { clientRoutes } from './http/client-routes.ts'
import { entryRoutes } from './http/entry-routes.ts'
import { meRoutes } from './http/me-routes.ts'
import { oauthRoutes } from './http/oauth-routes.ts'

const VERSION = '0.1.0'
const bearer = { type: 'http', scheme: 'bearer' }
const schemes = {
  person: { ...bearer, description: 'The access token of somebody who logged in here' },
  admin: { ...bearer, description: 'The access token of an admin, or the service token' },
  token: { ...bearer, description: 'An access token that an application got' },
  client: { type: 'http', scheme: 'basic', description: 'A client with its secret, in the header or in the form; clients without one send client_id only' },
} satisfies Record<Exclude<Access, 'public'>, object>

export function createAuthService(deps: Deps, serviceToken: string): ListenerHandler {
  return createService<Caller>({
    title: 'Bramble auth', version: VERSION, schemes,
    description: 'Accounts, sessions and tokens; OAuth 2.0 and OpenID Connect for applications.',
    authorize: createAuthorize({ deps, serviceToken }),
    routes: [...entryRoutes(deps), ...meRoutes(deps), ...adminRoutes(deps), ...clientRoutes(deps), ...oauthRoutes(deps, serviceToken)],
    health: () => deps.ready(),
  })
}
