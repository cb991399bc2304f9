/** People who register, log in, refresh and log out, and an admin who makes accounts, while services die under them. */
import { setTimeout as pause } from 'node:timers/promises'
import type { LogLine } from '../start-function.ts'
import { type AuthLedger, fromAddress, PASSWORD, refreshIn } from './auth-ledger.ts'
import { callService, type Reply, type Target } from './service-call.ts'

export type People = {
  /** Calls that were answered as wished, so far. */
  answered(): number
  /** Lets the calls under way end. */
  stop(): Promise<void>
}

export type PeopleDeps = {
  readonly auth: Target
  readonly serviceToken: string
  readonly ledger: AuthLedger
  /** In every address. */
  readonly name: string
  /** Of the auth service: letters are there. */
  readonly logs: () => readonly LogLine[]
  readonly number: () => number
}

/** What a client waits before it tries again. */
const PAUSE_MS = 20
/** Until a letter comes: not while the service is dead. */
const LETTER_TRIES = 100
const ADMINS = 2, NEWCOMERS = 3, ENDERS = 3
/** Sessions that go on for the whole test. */
export const STEADY = ['steady-1', 'steady-2', 'steady-3', 'steady-4'] as const

export function startPeople({ auth, serviceToken, ledger, name, logs, number }: PeopleDeps): People {
  let isOver = false
  let answered = 0

  const post = (path: string, json: object, headers: Readonly<Record<string, string>> = {}): Promise<Reply | undefined> =>
    callService(auth, 'POST', path, { json, headers: { ...fromAddress(number()), ...headers } })
  /** `undefined`: the answer never came, or is no answer. */
  const settled = async (call: Promise<Reply | undefined>): Promise<Reply | undefined> => {
    const reply = await call
    if (reply === undefined || reply.status === 0 || reply.status === 429 || reply.status >= 500) {
      await pause(PAUSE_MS)
      return undefined
    }
    answered++
    return reply
  }
  /** Sent again with its key until it is answered. */
  const makeAccount = async (id: string): Promise<void> => {
    const email = `made-${id}@example.org`
    for (let isDone = false; !isDone;) {
      const reply = await settled(callService({ ...auth, token: serviceToken }, 'POST', '/v1/users', { json: { email, password: PASSWORD, name: 'Ada' }, headers: { 'idempotency-key': id } }))
      if (reply !== undefined && reply.status !== 201) throw new Error(`${email}: ${reply.status} ${reply.text}`)
      if (reply !== undefined) ledger.created.add(email)
      isDone = reply !== undefined
    }
  }
  const register = async (id: string): Promise<void> => {
    const email = `new-${id}@example.org`
    const reply = await settled(post('/v1/register', { email, password: PASSWORD }))
    if (reply === undefined) return
    if (reply.status !== 202) throw new Error(`${email}: ${reply.status} ${reply.text}`)
    ledger.registered.add(email)
    const token = await codeFor(email)
    if (token === undefined) return
    const verified = await settled(post('/v1/verify-email', { token, password: PASSWORD }))
    if (verified?.status === 200) ledger.verified.add(email)
    else if (verified !== undefined) throw new Error(`${email} is not verified: ${verified.status} ${verified.text}`)
  }
  const codeFor = async (email: string): Promise<string | undefined> => {
    for (let i = 0; i < LETTER_TRIES && !isOver; i++) {
      const code = /Your code: (\S+)/.exec(String(logs().findLast((line) => line['to'] === email)?.['text'] ?? ''))?.[1]
      if (code !== undefined) return code
      await pause(PAUSE_MS)
    }
    return undefined
  }
  /** As a client does it: after a broken connection once more with the same token. */
  const keepLoggedIn = async (person: string): Promise<void> => {
    while (!isOver) {
      const token = ledger.sessions.get(person)
      if (token === undefined) return
      const reply = await settled(post('/v1/refresh', { refresh_token: token }))
      if (reply?.status === 200) {
        ledger.sessions.set(person, refreshIn(reply.body))
        ledger.refreshes++
      } else if (reply !== undefined) {
        ledger.sessions.delete(person)
        ledger.loggedOut.push(`${person}: ${reply.status} ${reply.text}`)
      }
    }
  }
  /** A session that its owner ends, or that an old token ends: what is answered by then counts. */
  const endSession = async (person: string, isReuse: boolean): Promise<void> => {
    const login = await settled(post('/v1/login', { email: `${person}@example.org`, password: PASSWORD }))
    if (login?.status !== 200) return
    const first = refreshIn(login.body)
    const second = await settled(post('/v1/refresh', { refresh_token: first }))
    const third = second?.status !== 200 ? undefined : await settled(post('/v1/refresh', { refresh_token: refreshIn(second.body) }))
    if (third?.status !== 200) return
    const last = refreshIn(third.body)
    const end = await settled(isReuse ? post('/v1/refresh', { refresh_token: first }) : post('/v1/logout', { refresh_token: last }))
    if (end === undefined) return
    if (end.status !== (isReuse ? 401 : 204)) throw new Error(`a session is not ended: ${end.status} ${end.text}`)
    ledger.ended.add(last)
  }
  const again = async (body: (i: number) => Promise<void>): Promise<void> => {
    for (let i = 0; !isOver; i++) await body(i)
  }
  const work = Promise.all([
    ...Array.from({ length: ADMINS }, (_, one) => again((i) => makeAccount(`${name}-${one}-${i}`))),
    ...Array.from({ length: NEWCOMERS }, (_, one) => again((i) => register(`${name}-${one}-${i}`))),
    ...Array.from({ length: ENDERS }, (_, one) => again((i) => endSession(STEADY[one] ?? STEADY[0], i % 2 === 0))),
    ...STEADY.map(keepLoggedIn),
  ])
  // Told by stop().
  work.catch(() => undefined)
  return {
    answered: () => answered,
    async stop() {
      isOver = true
      await work
    },
  }
}
