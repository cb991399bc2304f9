/** What is told when: what happens within a short while goes into one message, and what goes on is told again now and then. Pure. */
import type { Alert } from './alert-state.ts'
import { isSilenced, type Silence } from './silence.ts'

export type Plan = {
  /** To be told now, in one message; empty: nothing. */
  readonly tell: readonly Alert[]
  /** All alerts that are left, with what will have been told. */
  readonly alerts: readonly Alert[]
}

export type PlanTimes = { readonly groupMs: number; readonly repeatMs: number }

export function planMessage(alerts: readonly Alert[], silences: readonly Silence[], nowMs: number, { groupMs, repeatMs }: PlanTimes): Plan {
  const isHeard = (alert: Alert): boolean => !isSilenced(alert, silences, nowMs)
  const isNew = (alert: Alert): boolean => (alert.state === 'firing' && alert.toldAs !== 'firing') || (alert.state === 'resolved' && alert.toldAs === 'firing')
  const isDueAgain = (alert: Alert): boolean => alert.state === 'firing' && alert.toldAs === 'firing' && nowMs - (alert.toldMs ?? 0) >= repeatMs
  const fresh = alerts.filter((alert) => isNew(alert) && isHeard(alert))
  const again = alerts.filter((alert) => isDueAgain(alert) && isHeard(alert))
  const isTime = again.length > 0 || fresh.some(({ sinceMs }) => nowMs - sinceMs >= groupMs)
  const tell = isTime ? [...fresh, ...again] : []
  const told = new Set(tell)
  return {
    tell,
    alerts: alerts.flatMap((alert): readonly Alert[] => {
      if (!told.has(alert)) {
        // Silenced to its end: there will be nothing to tell.
        return alert.state === 'resolved' && !isHeard(alert) ? [] : [alert]
      }
      return alert.state === 'firing' ? [{ ...alert, toldMs: nowMs, toldAs: 'firing' }] : []
    }),
  }
}
