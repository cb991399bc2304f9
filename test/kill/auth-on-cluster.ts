/** The same as pods, through the gateway; codes of letters are not read there, so accounts stay unverified. */
import { setTimeout as pause } from 'node:timers/promises'
import { startCluster } from '../cluster/cluster.ts'
import { deployPlatform } from '../cluster/platform-on-cluster.ts'
import { DATA_NODE, deployServices } from '../cluster/services-on-cluster.ts'
import { eventually } from '../kit.ts'
import { type AuthKillsPlan, type AuthKillsReport, authLineOf, makeSteady } from './auth-kills.ts'
import { type AuthTargets, checkAuthLedger, createAuthLedger } from './auth-ledger.ts'
import { startPeople } from './auth-people.ts'
import { checkWithSqlite } from './data-ledger.ts'

/** Kubernetes gives a silent board up after 50 s, and a busy machine is slow. */
const PATIENCE_MS = 600_000
const BACK_OFF_CHECK_MS = 2_000
const ANSWERS_AGAIN = 10
/** Longer than a board is away: whose answer was lost may ask again, and is not taken for a thief. */
const AUTH_ENV = { refresh_grace: '10m' }

/** A round more than `rounds`: the last one is the board of the data service. */
export async function authKillsOnCluster({ rounds, longestLifeMs, print }: AuthKillsPlan): Promise<AuthKillsReport> {
  await using cluster = await startCluster({ workers: 1 })
  await using platform = await deployPlatform(cluster)
  const services = await deployServices(cluster, platform, { env: { auth: AUTH_ENV } })
  const targets: AuthTargets = services
  const { serviceToken } = services
  let lastNumber = 0
  const number = (): number => ++lastNumber
  const ledger = createAuthLedger()
  await makeSteady(targets, serviceToken, ledger, number)
  const known = new Set<string>()
  const victims = [['auth'], ['data'], ['auth', 'data']] as const
  let report: AuthKillsReport = { accounts: 0, refreshes: 0, ended: 0, lost: 0, revived: 0, half: 0, kills: 0 }
  for (let round = 1; round <= rounds + 1; round++) {
    const isBoard = round > rounds
    const dying = victims[(round - 1) % victims.length] ?? victims[0]
    const people = startPeople({ auth: targets.auth, serviceToken, ledger, name: `${round}`, logs: () => [], number })
    await eventually('calls are answered', () => people.answered() > 0, PATIENCE_MS)
    await pause(Math.random() * longestLifeMs)
    if (isBoard) {
      await cluster.node(DATA_NODE).powerOff()
      await cluster.node(DATA_NODE).start()
    } else {
      await Promise.all(dying.map((one) => services.kill(one)))
    }
    const before = people.answered()
    await eventually('calls are answered again', async () => {
      if (people.answered() > before + ANSWERS_AGAIN) return true
      for (const one of ['auth', 'data'] as const) await services.skipBackOff(one).catch(() => undefined)
      await pause(BACK_OFF_CHECK_MS)
      return false
    }, PATIENCE_MS)
    await people.stop()
    report = { ...await checkAuthLedger(targets, ledger, known, number), kills: round }
    print(authLineOf(`round ${round}, ${isBoard ? 'power of the board off and on' : `${dying.join(' and ')} killed`}`, report))
  }
  if (ledger.loggedOut.length > 0) print(ledger.loggedOut.join('\n'))
  await checkWithSqlite(targets.data, 'auth')
  return report
}
