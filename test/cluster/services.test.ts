/**
 * Services as pods, on one platform for all tests of this file: boards with a role take what asks for it; somebody registers
 * and logs in, and the data service is killed under writes; the keys of the cache are spread over its pods.
 */
import * as assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { listAt, textAt } from '../../platform/provider/kubernetes/json.ts'
import { memoryOf } from '../bench/measure.ts'
import { eventually, test } from '../kit.ts'
import { fromAddress, PASSWORD, refreshIn, untilAnswered } from '../kill/auth-ledger.ts'
import { checkWithSqlite } from '../kill/data-ledger.ts'
import { checkAll, lineOf, makeDatabases } from '../kill/data-kills.ts'
import { startWriters } from '../kill/data-writers.ts'
import { callService, type Reply } from '../kill/service-call.ts'
import { createCacheKeys, sum } from './cache-keys.ts'
import { startCluster, type Cluster } from './cluster.ts'
import { deployPlatform, type PlatformOnCluster } from './platform-on-cluster.ts'
import { clean } from './provider-world.ts'
import { deployServices, labelBoards, removeServices, untilHealthy, type ServicesOnCluster } from './services-on-cluster.ts'

/** Writes before the kill, at most. */
const LONGEST_LIFE_MS = 3_000
/** At once. */
const LOGINS = 60
const PATIENCE_MS = 300_000
const options = { timeoutMs: 900_000 }
/** One board for each role; zero-2 has none at first. */
const ROLES = { storage: ['zero-1'], compute: ['pi4'] }
/** Those that others stand on first; each waits on the board of its role. */
const SERVICES: Readonly<Record<string, string>> = {
  data: 'zero-1', files: 'zero-1', monitor: 'zero-1',
  auth: 'pi4', scheduler: 'pi4',
  cache: 'zero-2',
}
const NAMES = Object.keys(SERVICES)
const KEYS = Array.from({ length: 300 }, (_, i) => `user-${i}`)

type World = AsyncDisposable & { readonly cluster: Cluster; readonly platform: PlatformOnCluster; readonly services: ServicesOnCluster }

/** Opened by whichever test comes first, and closed by the last. */
let shared: Promise<World> | undefined
const world = (): Promise<World> => shared ??= open()

async function open(): Promise<World> {
  await using cleaner = new AsyncDisposableStack()
  const cluster = cleaner.use(await startCluster())
  await clean(cluster)
  const platform = cleaner.use(await deployPlatform(cluster))
  cleaner.defer(() => removeServices(cluster, platform))
  const services = await deployServices(cluster, platform, { services: NAMES, roles: ROLES, isUnawaited: true })
  const owned = cleaner.move()
  return { cluster, platform, services, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

test('a service waits for a board with its role, and says so; each board takes what its role is for', async () => {
  const { cluster, platform, services } = await world()
  await eventually('the cache says which label is missing, and how a board gets it', async () => {
    const status = await (await platform.send('/system/function/cache', 'GET')).text()
    return /no node has the label bramble\/cache=true that the constraints ask for \(kubectl label node NAME bramble\/cache=true\)/.test(status)
  }, PATIENCE_MS)
  await labelBoards(cluster, { ...ROLES, cache: ['zero-2'] })
  for (const name of NAMES) await untilHealthy(cluster, platform, name)
  await scaleCache(3)
  const boards = await Promise.all(NAMES.map(async (name) =>
    [name, [...new Set((await services.pods(name)).map((pod) => textAt(pod, 'spec', 'nodeName')))].join(' ')] as const))
  assert.deepEqual(Object.fromEntries(boards), SERVICES)
  console.log(`idle, private memory: ${await heldBy(services, NAMES)}`)
}, options)

test('data and auth run as pods: an account is made, and nothing is lost with a killed data service', async () => {
  const { services } = await world()
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
  async function held(): Promise<string> {
    return `private memory ${await heldBy(services, ['data', 'auth'])}`
  }
}, options)

test('files, scheduler and monitor run as pods: a file comes back, a job calls a function, and what that wrote is found', async () => {
  const { cluster, services } = await world()
  const [files, scheduler, monitor] = [services.target('files'), services.target('scheduler'), services.target('monitor')]
  const stored = await untilAnswered('a file', () => callService(files, 'PUT', '/v1/files/notes/today.json?owner=usr_test', { json: { kept: true } }))
  assert.equal(stored.status, 201, stored.text)
  const read = await untilAnswered('the file', () => callService(files, 'GET', '/v1/files/notes/today.json?owner=usr_test'))
  assert.deepEqual([read.status, read.text], [200, '{"kept":true}'])

  const made = await untilAnswered('a job', () => callService(scheduler, 'POST', '/v1/jobs', { json: { target: { function: 'data', path: '/v1/db' }, method: 'GET', retry: { attempts: 1 } } }))
  assert.equal(made.status, 201, made.text)
  const runs = `/v1/jobs/${idOf(made.body)}/runs`
  await eventually('the job has called, and was refused', async () => /"status":401/.test((await callService(scheduler, 'GET', runs))?.text ?? ''), PATIENCE_MS)
  await eventually('the log of auth can be searched', async () => /"level":/.test((await callService(monitor, 'GET', '/v1/logs?function=auth&limit=5'))?.text ?? ''), PATIENCE_MS)

  // Through the gateway, which asks the kubelets, and the replicas.
  const valuesOf = async (query: string): Promise<Readonly<Record<string, number>>> => {
    const reply = await callService(monitor, 'GET', `/api/v1/query?query=${encodeURIComponent(query)}`)
    return Object.fromEntries(listAt(reply?.body, 'data', 'result').map((one) => [textAt(one, 'metric', 'node') ?? textAt(one, 'metric', 'function_name') ?? '', Number(listAt(one, 'value')[1])]))
  }
  for (const query of ['bramble_node_up', 'bramble_node_memory_available_bytes', 'bramble_node_disk_available_bytes']) {
    await eventually(`${query} of every board`, async () => {
      const values = await valuesOf(query)
      return cluster.nodes.every((name) => (values[name] ?? 0) > 0)
    }, PATIENCE_MS)
  }
  await eventually('what the replicas of data count', async () => ((await valuesOf('sum by (function_name) (bramble_data_records_total)'))['data.openfaas-fn'] ?? 0) > 0, PATIENCE_MS)
}, options)

test('keys of the cache are spread over its pods; one more moves its share, a killed one loses its part only', async () => {
  await using opened = await world()
  const { cluster, services } = opened
  const { put, present, settled, entries, readUntilStopped } = createCacheKeys(services, KEYS)
  await untilHealthy(cluster, opened.platform, 'cache')
  await scaleCache(3)
  console.log(`idle: ${await heldBy(services, ['cache'])}`)
  await put(KEYS)
  assert.equal((await present()).size, KEYS.length, 'each is found where it was put')
  const parts = await entries()
  assert.equal(sum(parts), KEYS.length, 'and is nowhere else')
  assert.equal(parts.size, 3)
  for (const part of parts.values()) assert.ok(part > 60 && part < 140, String([...parts.values()]))

  const reading = readUntilStopped()
  await scaleCache(4)
  const stayed = await settled((found) => found.size < KEYS.length)
  const { answered, failures } = await reading.stop()
  console.log(`3 -> 4 pods: ${KEYS.length - stayed.size} of ${KEYS.length} keys moved (a quarter is meant to), ${answered} reads meanwhile, ${failures.length} failed`)
  assert.deepEqual(failures, [])
  assert.ok(KEYS.length - stayed.size > 0.17 * KEYS.length && KEYS.length - stayed.size < 0.33 * KEYS.length)
  await put(KEYS.filter((key) => !stayed.has(key)))

  const before = await entries()
  assert.equal(sum(before), KEYS.length)
  const [[lost, part] = ['', 0]] = before
  await cluster.kubectl('-n', 'openfaas-fn', 'delete', 'pod', lost, '--grace-period=0', '--force')
  await eventually('another one is there', async () => (await services.pods('cache')).filter(isReady).length === 4, PATIENCE_MS)
  const left = await settled((found) => found.size < KEYS.length)
  console.log(`a pod killed: ${KEYS.length - left.size} keys lost, it had ${part}; ${await heldBy(services, ['cache'])}`)
  assert.equal(KEYS.length - left.size, part, 'its keys, and no others')
  await put(KEYS.filter((key) => !left.has(key)))
  assert.equal((await present()).size, KEYS.length)
  assert.equal(sum(await entries()), KEYS.length)
}, options)

async function scaleCache(replicas: number): Promise<void> {
  const { platform, services } = await world()
  const reply = await platform.send('/system/scale-function/cache', 'POST', { serviceName: 'cache', replicas })
  assert.equal(reply.status, 202, await reply.text())
  await eventually(`${replicas} pods of the cache`, async () => {
    const pods = await services.pods('cache')
    return pods.length === replicas && pods.every(isReady)
  }, PATIENCE_MS)
}

function idOf(body: unknown): string {
  return typeof body === 'object' && body !== null && 'id' in body ? String(body.id) : ''
}

function isReady(pod: unknown): boolean {
  return listAt(pod, 'status', 'conditions').some((one) => textAt(one, 'type') === 'Ready' && textAt(one, 'status') === 'True')
}

async function heldBy(services: ServicesOnCluster, names: readonly string[]): Promise<string> {
  const lines = await Promise.all(names.map(async (name) => `${name} ${(memoryOf(await services.pidOf(name)).anonBytes / 1e6).toFixed(1)} MB`))
  return lines.join(', ')
}
