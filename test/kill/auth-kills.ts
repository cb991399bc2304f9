/** Accounts and sessions while the auth service, the data service or both are killed, and what became of all that was said. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { eventually } from '../kit.ts'
import { type AuthFindings, type AuthLedger, type AuthTargets, checkAuthLedger, createAuthLedger, fromAddress, PASSWORD, refreshIn, untilAnswered } from './auth-ledger.ts'
import { startPeople, STEADY } from './auth-people.ts'
import { checkWithSqlite } from './data-ledger.ts'
import { createMortalFunction } from './mortal-function.ts'
import { callService } from './service-call.ts'

export type AuthKillsPlan = {
  readonly rounds: number
  /** From the first answer on, at most; how long is chance. */
  readonly longestLifeMs: number
  readonly print: (line: string) => void
}

export type AuthKillsReport = AuthFindings & { readonly kills: number }

/** The cheapest Argon2 that the settings allow, and a grace for answers that a kill has swallowed. */
const AUTH_ENV = { argon2_memory_kib: '7168', argon2_passes: '1', refresh_grace: '10m' }
const PATIENCE_MS = 120_000

export async function authKills({ rounds, longestLifeMs, print }: AuthKillsPlan): Promise<AuthKillsReport> {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-auth-kills-'))
  const serviceToken = randomBytes(24).toString('hex')
  const secrets = { 'service-token': serviceToken, 'auth-key': randomBytes(32).toString('base64'), 'auth-admin-password': `Admin-${randomBytes(12).toString('hex')}` }
  for (const [name, value] of Object.entries(secrets)) await writeFile(join(folder, name), value)
  let lastNumber = 0
  const number = (): number => ++lastNumber
  try {
    await using data = await createMortalFunction('data', { secret_mount_path: folder, volume_path: join(folder, 'volume'), trust_folder: 'true' })
    await using auth = await createMortalFunction('auth', { secret_mount_path: folder, data_url: data.url, ...AUTH_ENV })
    const targets: AuthTargets = { auth: { url: auth.url }, data: { url: data.url, token: serviceToken } }
    const ledger = createAuthLedger()
    await makeSteady(targets, serviceToken, ledger, number)
    const known = new Set<string>()
    const victims = [['auth', [auth]], ['data', [data]], ['both', [auth, data]]] as const
    let report: AuthKillsReport = { accounts: 0, refreshes: 0, ended: 0, lost: 0, revived: 0, half: 0, kills: 0 }
    for (let round = 1; round <= rounds; round++) {
      const [who, dying] = victims[(round - 1) % victims.length] ?? victims[0]
      const people = startPeople({ auth: targets.auth, serviceToken, ledger, name: `${round}`, logs: auth.logs, number })
      await eventually('calls are answered', () => people.answered() > 0, PATIENCE_MS)
      await pause(Math.random() * longestLifeMs)
      await Promise.all(dying.map((one) => one.kill()))
      await Promise.all(dying.map((one) => one.start()))
      await people.stop()
      report = { ...await checkAuthLedger(targets, ledger, known, number), kills: round }
      print(authLineOf(`round ${round}, ${who} killed`, report))
    }
    if (ledger.loggedOut.length > 0) print(ledger.loggedOut.join('\n'))
    await checkWithSqlite(targets.data, 'auth')
    return report
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** The people whose sessions go on. */
export async function makeSteady({ auth }: AuthTargets, serviceToken: string, ledger: AuthLedger, number: () => number): Promise<void> {
  for (const person of STEADY) {
    const json = { email: `${person}@example.org`, password: PASSWORD }
    await untilAnswered('an account', () => callService({ ...auth, token: serviceToken }, 'POST', '/v1/users', { json }))
    const login = await untilAnswered('a login', () => callService(auth, 'POST', '/v1/login', { json, headers: fromAddress(number()) }))
    ledger.sessions.set(person, refreshIn(login.body))
  }
}

export function authLineOf(what: string, { accounts, refreshes, ended, lost, revived, half }: AuthFindings): string {
  return `${what}: ${accounts} accounts, ${refreshes} refreshes, ${ended} sessions ended so far; ${lost} lost (goal 0), ${revived} revived (goal 0), ${half} half done (goal 0)`
}
