/** Alerts, the rules they come from, and silences. */
import { createHash } from 'node:crypto'
import { json, nothing } from '@bramble/runtime/service/answer'
import { checkIfMatch, etagOf } from '@bramble/runtime/service/etag'
import { notFound, Problem } from '@bramble/runtime/service/problem'
import { type Route, routeFor } from '@bramble/runtime/service/route'
import type { Rule } from '../alerts/rule.ts'
import type { Silence } from '../alerts/silence.ts'
import type { Watch } from '../alerts/watch.ts'
import { parseExpression } from '../metrics/expression.ts'
import {
  AlertList, changeHeaders, MAX_RULES, MAX_SILENCES, RuleAnswer, RuleBody, RuleList, rulePath, SilenceAnswer, SilenceBody, SilenceList, silencePath,
} from './alert-shapes.ts'

const etagHeader = { ETag: 'Of this content' }

export function alertRoutes({ watch, nowMs }: { readonly watch: Watch; readonly nowMs: () => number }): readonly Route<undefined>[] {
  const route = routeFor<undefined>()
  const same = { tag: 'alerts', access: 'token' } as const
  const ruleNamed = (name: string): ReturnType<Watch['rules']>[number] | undefined => watch.rules().find((rule) => rule.name === name)
  const answerOf = (name: string, status: number) => {
    const rule = ruleNamed(name)
    if (rule === undefined) throw notFound(`there is no rule ${name}`)
    return json(seenRule(rule), status, { etag: tagOf(rule) })
  }

  return [
    route({
      ...same, method: 'get', at: '/v1/alerts', id: 'listAlerts', summary: 'What fires, and what is about to',
      answers: { 200: { description: 'All of them', schema: AlertList } },
      handle: () => json({
        items: watch.alerts().map(({ rule, state, labels, value, sinceMs, isSilenced, summary }) =>
          ({ rule, state, labels, value, since: new Date(sinceMs).toISOString(), silenced: isSilenced, summary })),
      }),
    }),
    route({
      ...same, method: 'get', at: '/v1/rules', id: 'listRules', summary: 'All rules, those that come with the service first',
      answers: { 200: { description: 'All of them', schema: RuleList } },
      handle: () => json({ items: watch.rules().map(seenRule) }),
    }),
    route({
      ...same, method: 'get', at: '/v1/rules/:name', id: 'getRule', summary: 'One rule', path: rulePath,
      answers: { 200: { description: 'The rule', schema: RuleAnswer, headers: etagHeader } },
      handle: ({ path }) => answerOf(path.name, 200),
    }),
    route({
      ...same, method: 'put', at: '/v1/rules/:name', id: 'putRule', summary: 'Makes or changes a rule; a shipped one can be switched off',
      path: rulePath, headers: changeHeaders, body: RuleBody,
      answers: { 200: { description: 'It was there', schema: RuleAnswer, headers: etagHeader }, 201: { description: 'It is new', schema: RuleAnswer, headers: etagHeader } },
      async handle({ path, body, headers }) {
        const present = ruleNamed(path.name)
        checkIfMatch(headers['if-match'], present && tagOf(present))
        checkExpression(body.expr)
        if (present === undefined && watch.rules().length >= MAX_RULES) throw new Problem(409, 'too_many', `there are ${MAX_RULES} rules, as many as may be: remove one`)
        const { expr, for_seconds, severity, summary, enabled } = body
        await watch.putRule({ name: path.name, expr, forMs: for_seconds * 1000, severity, summary, isEnabled: enabled })
        return answerOf(path.name, present === undefined ? 201 : 200)
      },
    }),
    route({
      ...same, method: 'delete', at: '/v1/rules/:name', id: 'removeRule', summary: 'Removes a rule; a shipped one is as it came again',
      path: rulePath, headers: changeHeaders, answers: { 204: { description: 'Done' } },
      async handle({ path, headers }) {
        const present = ruleNamed(path.name)
        checkIfMatch(headers['if-match'], present && tagOf(present))
        await watch.removeRule(path.name)
        return nothing()
      },
    }),
    route({
      ...same, method: 'get', at: '/v1/silences', id: 'listSilences', summary: 'Silences that are not over',
      answers: { 200: { description: 'All of them', schema: SilenceList } },
      handle: () => json({ items: watch.silences().map(seenSilence) }),
    }),
    route({
      ...same, method: 'put', at: '/v1/silences/:id', id: 'putSilence', summary: 'Keeps messages of some alerts back for a while',
      path: silencePath, body: SilenceBody, answers: { 200: { description: 'It is in force', schema: SilenceAnswer } },
      async handle({ path, body }) {
        if (Object.keys(body.match).length === 0) throw new Problem(422, 'matches_all', 'match must name something: everything would be silent')
        const silence = { id: path.id, match: body.match, untilMs: Date.parse(body.until), comment: body.comment }
        if (silence.untilMs <= nowMs()) throw new Problem(422, 'over_already', 'body/until: is over already', { errors: [{ in: 'body', path: '/until', detail: 'is over already' }] })
        const others = watch.silences().filter(({ id }) => id !== path.id)
        if (others.length >= MAX_SILENCES) throw new Problem(409, 'too_many', `there are ${MAX_SILENCES} silences, as many as may be: remove one`)
        await watch.putSilence(silence)
        return json(seenSilence(silence))
      },
    }),
    route({
      ...same, method: 'delete', at: '/v1/silences/:id', id: 'removeSilence', summary: 'Ends a silence; it need not be there', path: silencePath,
      answers: { 204: { description: 'It is not there' } },
      async handle({ path }) {
        await watch.removeSilence(path.id)
        return nothing()
      },
    }),
  ]
}

function tagOf({ name, expr, forMs, severity, summary, isEnabled }: Rule): string {
  return etagOf(createHash('sha256').update(JSON.stringify([name, expr, forMs, severity, summary, isEnabled])).digest('base64url').slice(0, 16))
}

function seenRule(rule: ReturnType<Watch['rules']>[number]): Record<string, unknown> {
  const { name, expr, forMs, severity, summary, isEnabled, isShipped, isChanged } = rule
  return { name, expr, for_seconds: forMs / 1000, severity, summary, enabled: isEnabled, shipped: isShipped, changed: isChanged, etag: tagOf(rule) }
}

function seenSilence({ id, match, untilMs, comment }: Silence): Record<string, unknown> {
  return { id, match, until: new Date(untilMs).toISOString(), comment }
}

function checkExpression(text: string): void {
  try {
    parseExpression(text)
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error)
    throw new Problem(422, 'bad_query', `expr is not understood: ${detail}`, { errors: [{ in: 'body', path: '/expr', detail }] })
  }
}
