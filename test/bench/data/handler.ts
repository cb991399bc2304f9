/** The data service with SQLite itself in the place of its engine: `commit_mode` is `each` or `group`, `volume_path` its folder. */
import type { ListenerHandler } from '@bramble/runtime'
import { serviceToken } from '@bramble/runtime/service/token'
import { createDataService } from '../../../functions/data/data-service.ts'
import { defaultLimits } from '../../../functions/data/engine/limits.ts'
import { createSqliteEngine } from './sqlite-engine.ts'

const { volume_path: folder = '', commit_mode: mode } = process.env
const engine = createSqliteEngine({ folder, mode: mode === 'group' ? 'group' : 'each' })
const service: ListenerHandler = createDataService({ engine, limits: defaultLimits, maxRequestBytes: 8 * 2 ** 20, serviceToken: serviceToken() })

export default service
