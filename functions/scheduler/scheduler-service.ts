/** The scheduler service over its parts: routes, who may call them, and the description. */
import type { ListenerHandler } from '@bramble/runtime'
import { createService } from '@bramble/runtime/service/service'
import { serviceOnly } from '@bramble/runtime/service/token'
import type { Deps } from './deps.ts'
import { jobRoutes } from './http/job-routes.ts'
import { queueRoutes } from './http/queue-routes.ts'
import { runRoutes } from './http/run-routes.ts'

const VERSION = '0.1.0'

export function createSchedulerService(deps: Deps, serviceToken: string): ListenerHandler {
  return createService<undefined>({
    title: 'Bramble scheduler', version: VERSION,
    description: 'Jobs: now, at a time, after a delay, or by cron; called over HTTP, tried again, remembered.',
    schemes: { token: { type: 'http', scheme: 'bearer', description: 'The service token' } },
    authorize: serviceOnly(serviceToken),
    routes: [...jobRoutes(deps), ...runRoutes(deps), ...queueRoutes(deps)],
    health: () => deps.db.prepare(),
  })
}
