/** Alerts that nobody wants to hear of for a while. Pure. */
import type { Alert } from './alert-state.ts'

export type Silence = {
  readonly id: string
  /** All of these, `rule` for the rule's name; `*` at the end stands for anything. */
  readonly match: Readonly<Record<string, string>>
  readonly untilMs: number
  readonly comment: string
}

export function isSilenced(alert: Pick<Alert, 'rule' | 'labels'>, silences: readonly Silence[], nowMs: number): boolean {
  return silences.some(({ match, untilMs }) => nowMs < untilMs && Object.entries(match).every(([name, wanted]) => {
    const value = name === 'rule' ? alert.rule : alert.labels[name] ?? ''
    return wanted.endsWith('*') ? value.startsWith(wanted.slice(0, -1)) : value === wanted
  }))
}
