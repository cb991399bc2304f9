/** What the auth service has said, and whether it is true. */
import { eventually } from '../kit.ts'
import { queryAnswer } from './data-ledger.ts'
import { callService, type Reply, type Target } from './service-call.ts'

export const PASSWORD = 'the analytical engine weaves'

export type AuthLedger = {
  /** Addresses: told 201; told 202; and of those, with a code that was taken. */
  readonly created: Set<string>
  readonly registered: Set<string>
  readonly verified: Set<string>
  /** The latest refresh token of each session that goes on, by person. */
  readonly sessions: Map<string, string>
  /** Newest refresh tokens of sessions that were ended: by their owner, or because an old one came again. */
  readonly ended: Set<string>
  /** Sessions that broke off with a 401 though nobody had ended them. */
  readonly loggedOut: string[]
  refreshes: number
}

export type AuthFindings = {
  readonly accounts: number
  readonly refreshes: number
  readonly ended: number
  /** Accounts that are not there or cannot log in, and sessions that do not go on. */
  readonly lost: number
  /** Sessions that were ended and are not. */
  readonly revived: number
  /** Rows without those that belong to them. */
  readonly half: number
}

export type AuthTargets = { readonly auth: Target; readonly data: Target }

/** Beyond the newest ones, which are all tried, so many of the others. */
const SAMPLE = 40
const PATIENCE_MS = 300_000
const ABREAST = 8

export function createAuthLedger(): AuthLedger {
  return { created: new Set(), registered: new Set(), verified: new Set(), sessions: new Map(), ended: new Set(), loggedOut: [], refreshes: 0 }
}

/** Everybody from an address of their own: these are no attacks. */
export function fromAddress(number: number): { readonly 'x-forwarded-for': string } {
  return { 'x-forwarded-for': `10.${number >> 16 & 255}.${number >> 8 & 255}.${number & 255}` }
}

/** Until it is answered with what is no "later". */
export async function untilAnswered(what: string, call: () => Promise<Reply | undefined>): Promise<Reply> {
  return eventually(what, async () => {
    const reply = await call()
    return reply !== undefined && reply.status > 0 && reply.status !== 429 && reply.status < 500 && reply
  }, PATIENCE_MS)
}

/** Nobody else calls meanwhile. `known` grows: what was tried once is tried again as a sample only. */
export async function checkAuthLedger({ auth, data }: AuthTargets, ledger: AuthLedger, known: Set<string>, number: () => number): Promise<AuthFindings> {
  const countOf = async (sql: string): Promise<number> => {
    const reply = await untilAnswered(sql, () => callService(data, 'POST', '/v1/db/auth/query', { json: { sql } }))
    if (reply.status !== 200) throw new Error(`${sql}: ${reply.status} ${reply.text}`)
    return Number(queryAnswer.parse(reply.body).results[0].rows[0]?.[0])
  }
  const emails = async (): Promise<Set<string>> => {
    const sql = 'SELECT json_group_array(email) FROM users'
    const reply = await untilAnswered(sql, () => callService(data, 'POST', '/v1/db/auth/query', { json: { sql } }))
    return new Set(JSON.parse(String(queryAnswer.parse(reply.body).results[0].rows[0]?.[0])))
  }
  const post = (path: string, json: object): Promise<Reply> =>
    untilAnswered(path, () => callService(auth, 'POST', path, { json, headers: fromAddress(number()) }))
  const toTry = (all: Iterable<string>): string[] => {
    const [fresh, others] = [[...all].filter((one) => !known.has(one)), [...all].filter((one) => known.has(one))]
    for (const one of fresh) known.add(one)
    return [...fresh, ...others.filter(() => Math.random() < SAMPLE / others.length)]
  }

  const there = await emails()
  let lost = [...ledger.created, ...ledger.registered].filter((email) => !there.has(email)).length + ledger.loggedOut.length
  let revived = 0
  const trials: (() => Promise<void>)[] = [
    ...toTry([...ledger.created, ...ledger.verified]).map((email) => async () => {
      if ((await post('/v1/login', { email, password: PASSWORD })).status !== 200) lost++
    }),
    ...toTry(ledger.ended).map((token) => async () => {
      if ((await post('/v1/refresh', { refresh_token: token })).status !== 401) revived++
    }),
    ...[...ledger.sessions].map(([person, token]) => async () => {
      const { status, body } = await post('/v1/refresh', { refresh_token: token })
      if (status === 200) ledger.sessions.set(person, refreshIn(body))
      else lost++
    }),
  ]
  await Promise.all(Array.from({ length: ABREAST }, async () => {
    for (let trial = trials.pop(); trial !== undefined; trial = trials.pop()) await trial()
  }))
  const audited = (event: string): string => `(SELECT count(*) FROM audit WHERE user_id = users.id AND event = '${event}')`
  const half = await countOf(`SELECT count(*) FROM users WHERE email_verified_at IS NULL AND (SELECT count(*) FROM mail_tokens WHERE user_id = users.id) <> 1`)
    + await countOf('SELECT count(*) FROM mail_tokens WHERE user_id NOT IN (SELECT id FROM users)')
    + await countOf('SELECT count(*) FROM sessions WHERE user_id NOT IN (SELECT id FROM users)')
    + await countOf(`SELECT count(*) FROM users WHERE email LIKE 'made-%' AND ${audited('account.created')} <> 1`)
    + await countOf(`SELECT count(*) FROM users WHERE email LIKE 'new-%' AND ${audited('account.registered')} <> 1`)
    + await countOf(`SELECT count(*) FROM users WHERE email LIKE 'new-%' AND ${audited('account.verified')} <> (email_verified_at IS NOT NULL)`)
    + await countOf(`SELECT count(*) FROM audit WHERE event = 'session.reuse_detected' AND json_extract(detail, '$.session') IN (SELECT id FROM sessions)`)
  return { accounts: ledger.created.size + ledger.registered.size, refreshes: ledger.refreshes, ended: ledger.ended.size, lost, revived, half }
}

export function refreshIn(body: unknown): string {
  if (typeof body === 'object' && body !== null && 'refresh_token' in body && typeof body.refresh_token === 'string') return body.refresh_token
  throw new Error(`no refresh token in ${JSON.stringify(body)}`)
}
