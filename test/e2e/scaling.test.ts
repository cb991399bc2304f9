/** Functions that sleep, wake and grow, on the real platform with real processes. */
import * as assert from 'node:assert/strict'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { buildFunctions } from '../bench/build-functions.ts'
import { startPlatform, type Platform } from '../bench/platform.ts'
import { eventually, test } from '../kit.ts'

const STACK = join(import.meta.dirname, '../fixtures/functions/stack.yml')
const LIMIT = { timeoutMs: 120_000 }
const PATIENCE_MS = 60_000
/** Restarts come ever later: more than so many would take minutes. */
const MOST_STARTS = 12

const scale = (labels: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(labels).map(([name, value]) => [`com.openfaas.scale.${name}`, value]))
const sleepy = { zero: 'true', 'zero-duration': '1s' }

type World = AsyncDisposable & {
  readonly platform: Platform
  call(path?: string): Promise<{ status: number; text: string }>
  /** Replicas asked for, and those that answer. */
  replicas(): Promise<readonly [wanted: number, ready: number]>
  becomes(wanted: number, ready?: number): Promise<void>
}

async function deploy(name: string, labels: Readonly<Record<string, string>>, envVars: Readonly<Record<string, string>> = {}): Promise<World> {
  await using cleaner = new AsyncDisposableStack()
  const built = cleaner.use(await buildFunctions(STACK, [name]))
  const platform = cleaner.use(await startPlatform({ functionsDir: built.folder, env: { ready_timeout: '20s' } }))
  await platform.deploy({ service: name, labels: scale(labels), envVars: { shutdown_grace: '0s', ...envVars } })
  const owned = cleaner.move()
  const replicas = async (): Promise<readonly [number, number]> => {
    const status: { replicas?: number; availableReplicas: number } =
      JSON.parse(await (await platform.request('GET', `/system/function/${name}`)).text())
    return [status.replicas ?? 0, status.availableReplicas]
  }
  return {
    platform, replicas,
    async call(path = '') {
      const answer = await fetch(`${platform.url}/function/${name}${path}`)
      return { status: answer.status, text: await answer.text() }
    },
    async becomes(wanted, ready = wanted) {
      await eventually(`${wanted} replicas are asked for, ${ready} ready`, async () => String(await replicas()) === `${wanted},${ready}`, PATIENCE_MS)
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

test('under a trickle a function sleeps between calls, and each call is answered', async () => {
  await using fn = await deploy('slow', sleepy)
  for (let round = 0; round < 3; round++) {
    assert.deepEqual(await fn.call('?ms=0'), { status: 200, text: 'slow' })
    await fn.becomes(0)
    await eventually('its process is gone', () => fn.platform.replicas('slow').length === 0, PATIENCE_MS)
  }
}, LIMIT)

test('calls that begin around the moment a function falls asleep are answered', async () => {
  await using fn = await deploy('slow', { ...sleepy, 'zero-duration': '500ms' })
  const statuses: number[] = []
  for (let gapMs = 400; gapMs <= 1_200; gapMs += 50) {
    statuses.push((await fn.call('?ms=0')).status)
    await pause(gapMs)
  }
  assert.deepEqual(statuses, statuses.map(() => 200))
}, LIMIT)

test('a call longer than the idle time keeps its replica', async () => {
  await using fn = await deploy('slow', sleepy)
  assert.deepEqual(await fn.call('?ms=4000'), { status: 200, text: 'slow' })
  assert.equal(fn.platform.replicas('slow').length, 1)
  await fn.becomes(0)
}, LIMIT)

test('a function that was scaled to 0 by hand is woken by a call, though it has no labels', async () => {
  await using fn = await deploy('slow', {})
  await fn.becomes(1)
  await fn.platform.scale('slow', 0)
  await fn.becomes(0)
  assert.equal((await fn.call()).status, 200)
  assert.deepEqual(await fn.replicas(), [1, 1])
}, LIMIT)

test('hundreds of calls wake a function once, to its minimum, and all are answered', async () => {
  await using fn = await deploy('slow', { ...sleepy, min: '3', 'zero-duration': '5s' })
  await fn.becomes(0)
  const answers = await Promise.all(Array.from({ length: 300 }, () => fn.call('?ms=100')))
  assert.deepEqual(answers.filter(({ status }) => status !== 200), [])
  assert.equal(fn.platform.output().match(/"message":"woken"/g)?.length, 1)
}, LIMIT)

test('a function that cannot start answers all who wait with the reason, and is left alone for a while', async () => {
  await using fn = await deploy('crash', { ...sleepy, min: '0', max: '5' }, { crash: 'start' })
  assert.deepEqual(await fn.replicas(), [0, 0])
  const answers = await Promise.all(Array.from({ length: 50 }, () => fn.call()))
  for (const { status, text } of answers) {
    assert.equal(status, 503)
    assert.match(text, /crash\.openfaas-fn cannot be started: .*exit/)
  }
  const again = await Promise.all(Array.from({ length: 200 }, () => fn.call()))
  assert.deepEqual(new Set(again.map(({ status }) => status)), new Set([503]))
  const starts = fn.platform.output().match(/"message":"replica ended by itself"/g)?.length ?? 0
  assert.ok(starts <= MOST_STARTS, `${starts} starts for 250 calls`)
}, LIMIT)

test('more calls bring more replicas within seconds, and fewer calls fewer', async () => {
  await using fn = await deploy('slow', { type: 'capacity', target: '2', max: '4', 'down.window': '2s' })
  await fn.becomes(1)
  const leaving = new AbortController()
  const load = Promise.all(Array.from({ length: 8 }, async () => {
    while (!leaving.signal.aborted) assert.equal((await fn.call('?ms=200')).status, 200)
  }))
  await fn.becomes(4)
  leaving.abort()
  await load
  await fn.becomes(1)
}, LIMIT)

test('a WebSocket wakes a function, and keeps it awake while it is open', async () => {
  await using fn = await deploy('websocket', { ...sleepy, min: '0', max: '2' })
  assert.deepEqual(await fn.replicas(), [0, 0])
  const socket = new WebSocket(`${fn.platform.url.replace('http', 'ws')}/function/websocket`)
  await once(socket, 'open')
  await pause(2_500)
  socket.send('still there?')
  const [data] = await once(socket, 'message')
  assert.equal(String(data), 'still there?')
  socket.close()
  await fn.becomes(0)
}, LIMIT)

test('an alert brings a step more, its end the minimum', async () => {
  await using fn = await deploy('slow', { min: '1', max: '10', factor: '20' })
  await fn.becomes(1)
  const alert = (status: string, name = 'slow.openfaas-fn'): Promise<Response> => fn.platform.request('POST', '/system/alert', {
    status, receiver: 'scale-up', alerts: [{ status, labels: { alertname: 'APIHighInvocationRate', function_name: name } }],
  })
  assert.equal((await alert('firing')).status, 200)
  await fn.becomes(3)
  assert.equal((await alert('resolved')).status, 200)
  await fn.becomes(1)
  await assert.rejects(alert('firing', 'nobody'), /500 function nobody\.openfaas-fn is not deployed/)
}, LIMIT)

test('labels that make no sense are refused with a sentence', async () => {
  await using fn = await deploy('slow', {})
  await assert.rejects(fn.platform.deploy({ service: 'slow', labels: scale({ type: 'latency' }) }),
    /400 label com\.openfaas\.scale\.type must be one of rps, capacity, cpu, queue, not "latency"/)
}, LIMIT)
