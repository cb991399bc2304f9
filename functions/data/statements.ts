/** Query, execute and migrations: what is done inside a database. */
import { type Answer, json } from '@bramble/runtime/service/answer'
import { createIdempotency } from '@bramble/runtime/service/idempotency'
import { Problem } from '@bramble/runtime/service/problem'
import { type Route, routeFor } from '@bramble/runtime/service/route'
import { allow, type Caller } from './access.ts'
import { asProblem } from './data-problem.ts'
import type { Engine } from './engine/engine.ts'
import type { EngineLimits } from './engine/limits.ts'
import { changing, etagOfDatabase } from './changing.ts'
import { createKeptCalls, keepAnswer, keyStatements } from './kept-calls.ts'
import { Applied, idempotencyKey, ifMatch, inPath, Migrations, requestShapes, resultJson, Results } from './shapes.ts'
import type { Turns } from './turns.ts'
import { parametersFromJson } from './values.ts'

export type StatementDeps = {
  readonly engine: Engine
  readonly limits: Pick<EngineLimits, 'rows' | 'timeoutMs'>
  readonly maxRequestBytes: number
  readonly turns: Turns
  readonly nowMs: () => number
}

const etagHeader = { ETag: 'Of the content of the database' }

export function statementRoutes({ engine, limits, maxRequestBytes, turns, nowMs }: StatementDeps): readonly Route<Caller>[] {
  const route = routeFor<Caller>()
  const shapes = requestShapes(limits)
  const once = createIdempotency()

  return [
    route({
      method: 'post', at: '/v1/db/:name/query', id: 'query', tag: 'statements', access: 'token',
      summary: 'Runs one statement that cannot change anything',
      path: inPath, body: shapes.query, bodyLimitBytes: maxRequestBytes,
      answers: { 200: { description: 'Its result', schema: Results, headers: etagHeader } },
      async handle({ path: { name }, body: { sql, parameters, limit, timeout_ms }, caller }) {
        allow(caller, name, 'read')
        const values = parameters === undefined ? undefined : parametersFromJson(parameters, '/parameters')
        const query = engine.query(name, { sql, parameters: values, rowLimit: limit, timeoutMs: timeout_ms })
        const { result, record } = await asProblem(query, () => '/sql')
        return json({ results: [resultJson(result)], record }, 200, { etag: etagOfDatabase(record) })
      },
    }),

    route({
      method: 'post', at: '/v1/db/:name/execute', id: 'execute', tag: 'statements', access: 'token',
      summary: 'Runs statements as one transaction: all of them or none',
      description: 'Durable when it answers. With `If-Match` only if nothing has changed since.',
      path: inPath, headers: ifMatch.extend(idempotencyKey.shape), body: shapes.execution, bodyLimitBytes: maxRequestBytes,
      answers: { 200: { description: 'A result for each statement', schema: Results, headers: etagHeader } },
      async handle({ path: { name }, headers, body, caller }) {
        allow(caller, name, 'write')
        for (const [i, { sql }] of body.statements.entries()) refuseOwnNames(sql, `/statements/${i}/sql`)
        // The same key of another caller is another key.
        const owner = caller.kind === 'token' ? caller.id : caller.kind
        const statements = body.statements.map(({ sql, parameters, expect }, i) => ({
          sql, expect, parameters: parameters === undefined ? undefined : parametersFromJson(parameters, `/statements/${i}/parameters`),
        }))
        const run = async (kept?: { readonly key: string; readonly fingerprint: string }): Promise<Answer> => {
          const before = kept === undefined ? [] : keyStatements(kept, owner, nowMs())
          const execution = { statements: [...before, ...statements], rowLimit: body.limit, timeoutMs: body.timeout_ms }
          const { results, record } = await asProblem(engine.execute(name, execution), (i) => `/statements/${i - before.length}/sql`)
          const answer = json({ results: results.slice(before.length).map(resultJson), record })
          const last = kept === undefined ? record : await keepAnswer(engine, name, kept.key, owner, answer) ?? record
          return { ...answer, headers: { ...answer.headers, etag: etagOfDatabase(last) } }
        }
        return changing({ engine, turns, name, ifMatch: headers['if-match'] }, () => once({
          key: headers['idempotency-key'], request: body, store: createKeptCalls(engine, name, owner), scope: `${owner} ${name}`, run,
        }))
      },
    }),

    route({
      method: 'put', at: '/v1/db/:name/migrations', id: 'migrate', tag: 'statements', access: 'token',
      summary: 'Runs those migrations that have not run yet, in order, each in a transaction of its own',
      description: 'One that has run and is not the same any more is a 409 `conflict`, and none after it is run.',
      path: inPath, headers: ifMatch, body: Migrations, bodyLimitBytes: maxRequestBytes,
      answers: { 200: { description: 'Which ran now, and which before', schema: Applied, headers: etagHeader } },
      async handle({ path: { name }, headers, body: { migrations }, caller }) {
        allow(caller, name, 'write')
        for (const [i, { sql }] of migrations.entries()) refuseOwnNames(sql, `/migrations/${i}/sql`)
        return changing({ engine, turns, name, ifMatch: headers['if-match'] }, async () => {
          const { applied, skipped, record } = await asProblem(engine.migrate(name, migrations), (i) => `/migrations/${i}/sql`)
          return json({ applied, skipped, record }, 200, { etag: etagOfDatabase(record) })
        })
      },
    }),
  ]
}

/** Keys and migrations are kept in tables beside the caller's own. A name cannot be written in another way than as it is. */
function refuseOwnNames(sql: string, path: string): void {
  if (!/_bramble_/i.test(sql)) return
  const detail = 'names that begin with _bramble_ are the service\'s own; a text that holds them goes into a parameter'
  throw new Problem(422, 'not_accepted', detail, { errors: [{ in: 'body', path, detail }] })
}
