/** The data service over an engine: its routes, who may call them, and its description. */
import { log, type ListenerHandler } from '@bramble/runtime'
import { Problem } from '@bramble/runtime/service/problem'
import { createService } from '@bramble/runtime/service/service'
import { type Access, type Caller, createAuthorize } from './access.ts'
import { databaseRoutes } from './databases.ts'
import type { Engine } from './engine/engine.ts'
import type { EngineLimits } from './engine/limits.ts'
import { statementRoutes } from './statements.ts'
import { tokenRoutes } from './token-routes.ts'
import { createTokens } from './tokens.ts'
import { createTurns } from './turns.ts'

export type DataServiceDeps = {
  readonly engine: Engine
  readonly limits: Pick<EngineLimits, 'rows' | 'timeoutMs' | 'databaseBytes'>
  readonly maxRequestBytes: number
  readonly serviceToken: string
}

const VERSION = '0.1.0'
const schemes = {
  token: { type: 'http', scheme: 'bearer', description: 'The service token, or one of /v1/tokens with the right for this database' },
  service: { type: 'http', scheme: 'bearer', description: 'The service token' },
} satisfies Record<Exclude<Access, 'public'>, object>

export function createDataService({ engine, limits, maxRequestBytes, serviceToken }: DataServiceDeps): ListenerHandler {
  const tokens = createTokens({ engine, serviceToken, now: () => new Date() })
  const turns = createTurns()
  return createService<Caller>({
    title: 'Bramble data', version: VERSION, schemes,
    description: 'SQL databases (SQLite) over HTTP: durable before the answer, several of them, each restorable to any moment of its history.',
    authorize: createAuthorize({ serviceToken, tokens }),
    routes: [
      ...statementRoutes({ engine, limits, maxRequestBytes, turns, nowMs: Date.now }),
      ...databaseRoutes({ engine, turns, maxDatabaseBytes: limits.databaseBytes }),
      ...tokenRoutes({ tokens }),
    ],
    health() {
      const damaged = engine.list().filter(({ state }) => state === 'damaged').map(({ name }) => name)
      if (damaged.length === 0) return
      log.warn('databases are damaged', { databases: damaged })
      throw new Problem(503, 'damaged', `${damaged.length} of the databases cannot be served; GET /v1/db says which, and what to do`)
    },
  })
}
