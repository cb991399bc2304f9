/** Data and auth as pods: somebody registers and logs in, and the data service is killed under writes. */
import * as assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { memoryOf } from '../bench/measure.ts'
import { eventually, test } from '../kit.ts'
import { fromAddress, PASSWORD, refreshIn, untilAnswered } from '../kill/auth-ledger.ts'
import { checkWithSqlite } from '../kill/data-ledger.ts'
import { checkAll, lineOf, makeDatabases } from '../kill/data-kills.ts'
import { startWriters } from '../kill/data-writers.ts'
import { callService, type Reply } from '../kill/service-call.ts'
import { startCluster } from './cluster.ts'
import { deployPlatform } from './platform-on-cluster.ts'
import { clean } from './provider-world.ts'
import { deployServices, removeServices } from './services-on-cluster.ts'

/** Writes before the kill, at most. */
const LONGEST_LIFE_MS = 3_000
/** At once. */
const LOGINS = 60
const PATIENCE_MS = 300_000

test('data and auth run as pods: an account is made, and nothing is lost with a killed data service', async () => {
  await using cluster = await startCluster()
  await clean(cluster)
  await using platform = await deployPlatform(cluster)
  const services = await deployServices(cluster, platform)
  try {
    const { data, auth, serviceToken } = services
    const json = { email: 'ada@example.org', password: PASSWORD }
    const register = await untilAnswered('a registration', () => callService(auth, 'POST', '/v1/register', { json, headers: fromAddress(1) }))
    assert.equal(register.status, 202, register.text)
    const made = await untilAnswered('an account', () => callService({ ...auth, token: serviceToken }, 'POST', '/v1/users', { json: { ...json, email: 'bob@example.org' } }))
    assert.equal(made.status, 201, made.text)
    const logIn = (): Promise<Reply> => untilAnswered('a login', () => callService(auth, 'POST', '/v1/login', { json: { ...json, email: 'bob@example.org' }, headers: fromAddress(2) }))
    const login = await logIn()
    assert.equal(login.status, 200, login.text)
    console.log(`idle: ${await held()}`)

    const ledgers = await makeDatabases(data)
    const writers = startWriters(data, ledgers, 'pod')
    await eventually('writes are acknowledged', () => writers.acknowledged() > 0, PATIENCE_MS)
    await pause(Math.random() * LONGEST_LIFE_MS)
    await services.kill('data')
    const [before, killedMs] = [writers.acknowledged(), performance.now()]
    await eventually('writes are acknowledged again', () => writers.acknowledged() > before + 50, PATIENCE_MS)
    console.log(`writes go on ${((performance.now() - killedMs) / 1000).toFixed(1)} s after the kill`)
    // Those that are too many are told to come again.
    await Promise.all(Array.from({ length: LOGINS }, (_, i) => callService(auth, 'POST', '/v1/login', { json, headers: fromAddress(10 + i) })))
    console.log(`loaded: ${await held()}`)
    await writers.stop()
    const found = await checkAll(data, ledgers)
    console.log(lineOf(1, found))
    assert.deepEqual({ missing: found.missing, half: found.half }, { missing: 0, half: 0 })
    for (const database of Object.keys(ledgers)) await checkWithSqlite(data, database)
    const refreshed = await untilAnswered('a refresh', () => callService(auth, 'POST', '/v1/refresh', { json: { refresh_token: refreshIn(login.body) } }))
    assert.equal(refreshed.status, 200, refreshed.text)
    assert.equal((await logIn()).status, 200)
  } finally {
    await removeServices(cluster, platform)
  }

  async function held(): Promise<string> {
    const lines = await Promise.all((['data', 'auth'] as const).map(async (name) => `${name} ${(memoryOf(await services.pidOf(name)).anonBytes / 1e6).toFixed(1)} MB`))
    return `private memory ${lines.join(', ')}`
  }
}, { timeoutMs: 900_000 })
