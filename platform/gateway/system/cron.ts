/** `/system/cron`: the schedules of a namespace, with their last and next runs. */
import type { RequestHandler } from 'express'
import { BrambleError } from '../../lib/errors.ts'
import type { CronStatus } from '../../openfaas/cron-status.ts'
import { parseNamespaceName } from '../../openfaas/parse.ts'
import type { FunctionSpec } from '../../openfaas/types.ts'
import type { Provider } from '../../provider/provider.ts'
import { queryText } from './query.ts'

/** What runs functions by the calendar, as far as the API shows it. */
export type Schedules = {
  list(namespace: string): readonly CronStatus[]
  /** `INVALID` for a schedule that makes no sense, with the place. */
  check(spec: FunctionSpec): void
}

export function listSchedules(schedules: Schedules, provider: Provider): RequestHandler {
  return async (req, res) => {
    const namespace = parseNamespaceName(queryText(req, 'namespace'))
    if (await provider.namespaces.get(namespace) === undefined) {
      throw new BrambleError('NOT_FOUND', `namespace ${namespace} does not exist`)
    }
    res.json(schedules.list(namespace))
  }
}
