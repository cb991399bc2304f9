/** The files service over its parts: routes, who may call them, and the description. */
import type { ListenerHandler } from '@bramble/runtime'
import { createService } from '@bramble/runtime/service/service'
import { type Access, type AccessDeps, type Caller, createAuthorize } from './http/access.ts'
import type { Deps } from './http/deps.ts'
import { fileRoutes } from './http/file-routes.ts'
import { formRoutes } from './http/form-routes.ts'
import { linkRoutes } from './http/link-routes.ts'
import { listRoutes } from './http/list-routes.ts'
import { serviceRoutes } from './http/service-routes.ts'
import { versionRoutes } from './http/version-routes.ts'
import type { Scrub } from './scrub.ts'
import { tusRoutes, type TusDeps } from './tus/tus-routes.ts'
import type { Upkeep } from './upkeep.ts'

const VERSION = '0.1.0'
const bearer = { type: 'http', scheme: 'bearer' }
const schemes = {
  person: { ...bearer, description: 'An access token of the auth service, or the service token with ?owner=' },
  service: { ...bearer, description: 'The service token' },
} satisfies Record<Exclude<Access, 'public'>, object>

export function createFilesService(deps: Deps, tus: TusDeps, care: { readonly scrub: Scrub; readonly upkeep: Upkeep }, access: AccessDeps): ListenerHandler {
  return createService<Caller>({
    title: 'Bramble files', version: VERSION, schemes,
    description: 'Files of people: resumable uploads, versions, a trash, signed links, thumbnails. Durable before the answer.',
    authorize: createAuthorize(access),
    routes: [
      ...fileRoutes(deps), ...formRoutes(deps), ...listRoutes(deps), ...versionRoutes(deps), ...linkRoutes(deps), ...tusRoutes(tus), ...serviceRoutes(care),
    ],
    health: () => deps.db.prepare(),
  })
}
