/** The monitor: its routes, who may call them, and its description. */
import type { ListenerHandler } from '@bramble/runtime'
import type { Route } from '@bramble/runtime/service/route'
import { createService } from '@bramble/runtime/service/service'
import { serviceOnly } from '@bramble/runtime/service/token'

export type MonitorServiceDeps = { readonly routes: readonly Route<undefined>[]; readonly serviceToken: string }

const VERSION = '0.1.0'

export function createMonitorService({ routes, serviceToken }: MonitorServiceDeps): ListenerHandler {
  return createService<undefined>({
    title: 'Bramble monitor', version: VERSION,
    description: 'Logs and metrics of all functions, boards and the gateway in one place: searched, followed by call id, and watched by rules.',
    schemes: { token: { type: 'http', scheme: 'bearer', description: 'The service token' } },
    authorize: serviceOnly(serviceToken),
    routes,
  })
}
