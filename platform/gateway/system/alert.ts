/** `/system/alert`: the hook for AlertManager. Each alert is acted upon; those that could not be are listed. */
import type { RequestHandler } from 'express'
import { reasonOf } from '../../lib/errors.ts'
import { parseAlerts, type Alert } from '../../openfaas/alerts.ts'

export function postAlert(alert: (alert: Alert) => Promise<void>): RequestHandler {
  return async (req, res) => {
    const results = await Promise.allSettled(parseAlerts(req.body).map(alert))
    const failures = results.flatMap((one) => (one.status === 'rejected' ? [reasonOf(one.reason)] : []))
    res.status(failures.length > 0 ? 500 : 200).type('text').send(failures.join('\n'))
  }
}
