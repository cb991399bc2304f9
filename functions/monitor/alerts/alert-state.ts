/** How an alert begins, fires and ends: what is, and what its rule says now, make what is next. Pure. */
import { keyOf, type Labels, NAME_LABEL } from '../metrics/series.ts'
import type { Rule } from './rule.ts'

export type Alert = {
  /** Rule and labels, as one text. */
  readonly key: string
  readonly rule: string
  readonly labels: Labels
  /** `pending`: its rule is true, but not for long enough. `resolved` ones stay until everybody knows. */
  readonly state: 'pending' | 'firing' | 'resolved'
  /** Since when it is in this state. */
  readonly sinceMs: number
  readonly value: number
  /** When it was told last, and what as. */
  readonly toldMs?: number | undefined
  readonly toldAs?: 'firing' | 'resolved' | undefined
}

export type Finding = { readonly labels: Labels; readonly value: number }

export function nextAlerts(before: readonly Alert[], rule: Rule, findings: readonly Finding[], nowMs: number): readonly Alert[] {
  const known = new Map(before.map((alert) => [alert.key, alert]))
  const next: Alert[] = []
  for (const { labels, value } of findings) {
    const key = keyOf(rule.name, labels)
    const alert = known.get(key)
    if (!known.delete(key) && next.some((one) => one.key === key)) continue
    next.push(risen(alert, { key, rule: rule.name, labels: withoutName(labels), value }, rule.forMs, nowMs))
  }
  for (const alert of known.values()) {
    const ended = fallen(alert, nowMs)
    if (ended !== undefined) next.push(ended)
  }
  return next
}

/** Its rule is true. */
function risen(alert: Alert | undefined, now: Pick<Alert, 'key' | 'rule' | 'labels' | 'value'>, forMs: number, nowMs: number): Alert {
  if (alert?.state === 'firing') return { ...alert, value: now.value }
  // One that has just ended begins again, and what was told of it still counts.
  const told = alert === undefined ? {} : { toldMs: alert.toldMs, toldAs: alert.toldAs }
  const sinceMs = alert?.state === 'pending' ? alert.sinceMs : nowMs
  return nowMs - sinceMs >= forMs ? { ...now, ...told, state: 'firing', sinceMs: nowMs } : { ...now, ...told, state: 'pending', sinceMs }
}

/** Its rule is true no more. `undefined`: there is nothing left to tell. */
function fallen(alert: Alert, nowMs: number): Alert | undefined {
  if (alert.toldAs !== 'firing') return undefined
  return alert.state === 'resolved' ? alert : { ...alert, state: 'resolved', sinceMs: nowMs }
}

function withoutName(labels: Labels): Labels {
  const { [NAME_LABEL]: _, ...rest } = labels
  return rest
}
