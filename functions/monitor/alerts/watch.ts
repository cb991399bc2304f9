/** Rules looked at after each moment; what they find becomes alerts, and alerts become messages. All of it outlives a restart. */
import { randomUUID } from 'node:crypto'
import type { Log } from '@bramble/runtime'
import type { Value } from '../metrics/evaluate.ts'
import { type Expression, parseExpression } from '../metrics/expression.ts'
import { type Alert, type Finding, nextAlerts } from './alert-state.ts'
import type { Delivery } from './delivery.ts'
import { planMessage, type PlanTimes } from './plan-message.ts'
import { type Rule, shippedRules, summaryOf } from './rule.ts'
import { isSilenced, type Silence } from './silence.ts'
import type { Message, StateFile, WatchState } from './watch-state.ts'

export type Watch = {
  open(): Promise<void>
  stop(): Promise<void>
  /** After a moment was kept. */
  look(nowMs: number): Promise<void>
  alerts(): readonly (Alert & { readonly isSilenced: boolean; readonly summary: string })[]
  rules(): readonly (Rule & { readonly isShipped: boolean; readonly isChanged: boolean })[]
  silences(): readonly Silence[]
  /** Resolve when the change is on the disk. */
  putRule(rule: Rule): Promise<void>
  removeRule(name: string): Promise<void>
  putSilence(silence: Silence): Promise<void>
  removeSilence(id: string): Promise<void>
  stats(): { readonly firing: number; readonly waiting: number; readonly sent: number; readonly failed: number }
}

export type WatchDeps = {
  readonly file: StateFile
  readonly evaluate: (expression: Expression, atMs: number) => Promise<Value>
  readonly delivery: Delivery
  readonly times: PlanTimes
  readonly nowMs: () => number
  readonly log: Log
}

const FIRST_RETRY_MS = 2000
const MAX_RETRY_MS = 900_000
/** Then nobody wants to know any more. */
const GIVE_UP_MS = 86_400_000
const MAX_ALERTS_OF_RULE = 200
const MAX_MESSAGES = 100

export function createWatch({ file, evaluate, delivery, times, nowMs, log }: WatchDeps): Watch {
  let state: WatchState = { alerts: [], rules: [], silences: [], messages: [] }
  const stopped = new AbortController()
  const failing = new Set<string>()
  let [sent, failed] = [0, 0]
  let timer: NodeJS.Timeout | undefined
  let delivering: Promise<void> | undefined
  let saving: Promise<void> = Promise.resolve()
  const save = (): Promise<void> => saving = saving.catch(() => undefined).then(() => file.write(state))

  const rules = (): ReturnType<Watch['rules']> => {
    const changed = new Map(state.rules.map((rule) => [rule.name, rule]))
    const shipped = shippedRules.map((rule) => ({ ...changed.get(rule.name) ?? rule, isShipped: true, isChanged: changed.has(rule.name) }))
    const names = new Set(shippedRules.map(({ name }) => name))
    return [...shipped, ...state.rules.filter(({ name }) => !names.has(name)).map((rule) => ({ ...rule, isShipped: false, isChanged: false }))]
  }
  const findings = async (rule: Rule, atMs: number): Promise<readonly Finding[] | undefined> => {
    try {
      const value = await evaluate(parseExpression(rule.expr), atMs)
      failing.delete(rule.name)
      const list = typeof value === 'number' ? value === 0 ? [] : [{ labels: {}, value }] : value
      return list.slice(0, MAX_ALERTS_OF_RULE).map((one) => ({ ...one, value: finite(one.value) }))
    } catch (error) {
      if (!failing.has(rule.name)) log.warn('a rule cannot be looked at', { rule: rule.name, error })
      failing.add(rule.name)
      return undefined
    }
  }

  const look = async (atMs: number): Promise<void> => {
    const next: Alert[] = []
    for (const rule of rules()) {
      if (!rule.isEnabled) {
        next.push(...nextAlerts(state.alerts.filter((alert) => alert.rule === rule.name), rule, [], atMs))
        continue
      }
      const found = await findings(rule, atMs)
      const before = state.alerts.filter((alert) => alert.rule === rule.name)
      next.push(...found === undefined ? before : nextAlerts(before, rule, found, atMs))
    }
    const plan = planMessage(next, state.silences, atMs, times)
    const message = plan.tell.length === 0 || delivery.ways.length === 0 ? [] : [messageOf(plan.tell, atMs)]
    for (const { rule, state: now, labels } of plan.tell) log[now === 'firing' ? 'warn' : 'info'](now === 'firing' ? 'an alert fires' : 'an alert is over', { rule, ...labels })
    state = {
      ...state, alerts: [...plan.alerts], silences: state.silences.filter(({ untilMs }) => untilMs > atMs),
      messages: [...state.messages, ...message].slice(-MAX_MESSAGES),
    }
    try {
      await save()
    } finally {
      // Also when it cannot be written: a full disk must not keep the alert about it.
      deliver()
    }
  }
  const messageOf = (alerts: readonly Alert[], atMs: number): Message => {
    const byName = new Map(rules().map((rule) => [rule.name, rule]))
    return {
      id: randomUUID(), madeMs: atMs, tries: 0, dueMs: atMs, to: [...delivery.ways],
      alerts: alerts.map(({ rule, state: now, labels, value, sinceMs }) => ({
        rule, state: now === 'firing' ? 'firing' : 'resolved', severity: byName.get(rule)?.severity ?? 'warning', labels: { ...labels }, value,
        summary: summaryOf(byName.get(rule) ?? { summary: rule }, labels, value), since: new Date(sinceMs).toISOString(),
      })),
    }
  }

  const deliver = (): void => {
    delivering ??= deliverDue().catch((error: unknown) => log.error('messages cannot be delivered', { error })).finally(() => {
      delivering = undefined
      clearTimeout(timer)
      const nextMs = Math.min(...state.messages.map(({ dueMs }) => dueMs))
      if (!stopped.signal.aborted && nextMs < Infinity) timer = setTimeout(deliver, Math.max(FIRST_RETRY_MS / 10, nextMs - nowMs()))
    })
  }
  const deliverDue = async (): Promise<void> => {
    for (const message of state.messages.filter(({ dueMs }) => dueMs <= nowMs())) {
      const left: Message['to'] = []
      for (const way of message.to) {
        await delivery.send(way, message).then(() => { sent++ }, (error: unknown) => {
          failed++
          log.warn('a message could not be delivered', { way, tries: message.tries + 1, error })
          left.push(way)
        })
      }
      const isGivenUp = nowMs() - message.madeMs > GIVE_UP_MS
      if (isGivenUp && left.length > 0) log.error('a message was given up', { ways: left, alerts: message.alerts.length })
      const again: Message = { ...message, to: left, tries: message.tries + 1, dueMs: nowMs() + Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** message.tries) }
      state = { ...state, messages: state.messages.flatMap((one) => one.id !== message.id ? [one] : left.length === 0 || isGivenUp ? [] : [again]) }
      await save().catch((error: unknown) => log.warn('what became of a message cannot be written: it may come again after a restart', { error }))
    }
  }

  return {
    async open() {
      state = await file.read()
      deliver()
    },
    async stop() {
      stopped.abort()
      clearTimeout(timer)
      await delivering
      await saving
    },
    look,
    alerts() {
      const byName = new Map(rules().map((rule) => [rule.name, rule]))
      return state.alerts.map((alert) => ({
        ...alert, isSilenced: isSilenced(alert, state.silences, nowMs()), summary: summaryOf(byName.get(alert.rule) ?? { summary: alert.rule }, alert.labels, alert.value),
      }))
    },
    rules,
    silences: () => state.silences.filter(({ untilMs }) => untilMs > nowMs()),
    async putRule(rule) {
      state = { ...state, rules: [...state.rules.filter(({ name }) => name !== rule.name), { ...rule }] }
      await save()
    },
    async removeRule(name) {
      const isShipped = shippedRules.some((rule) => rule.name === name)
      state = { ...state, rules: state.rules.filter((rule) => rule.name !== name), alerts: isShipped ? state.alerts : state.alerts.filter(({ rule }) => rule !== name) }
      await save()
    },
    async putSilence(silence) {
      state = { ...state, silences: [...state.silences.filter(({ id }) => id !== silence.id), { ...silence, match: { ...silence.match } }] }
      await save()
    },
    async removeSilence(id) {
      state = { ...state, silences: state.silences.filter((silence) => silence.id !== id) }
      await save()
    },
    stats: () => ({ firing: state.alerts.filter((alert) => alert.state === 'firing').length, waiting: state.messages.length, sent, failed }),
  }
}

/** JSON knows no infinity. */
function finite(value: number): number {
  return Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, value))
}
