/**
 * What takes long is not cut: a call, a stream of events and a WebSocket that were open before stay whole through a
 * rolling update of their function and through a restart of the platform. `long_seconds` makes them longer.
 */
import * as assert from 'node:assert/strict'
import { get } from 'node:http'
import { join } from 'node:path'
import { WebSocket } from 'ws'
import { listAt, textAt } from '../../platform/provider/kubernetes/json.ts'
import { buildFunctions } from '../bench/build-functions.ts'
import { eventually, test } from '../kit.ts'
import { startCluster, type Cluster } from './cluster.ts'
import { ENV_PROCESS, pushFunction } from './function-image.ts'
import { deployPlatform, rolledOut, type PlatformOnCluster } from './platform-on-cluster.ts'
import { clean } from './provider-world.ts'

const LONG_SECONDS = Number(process.env['long_seconds'] ?? 20)
/** From a call's beginning to the news that its replica has to go, and what a busy machine takes on top. */
const SPARE_SECONDS = 10
/** Up to here the platform's own settings do. */
const DEFAULT_SHUTDOWN_SECONDS = 30
const PATIENCE_MS = 180_000
/** Tries to have the calls open while an update goes on. */
const ROUNDS = 3
const ECHO_INTERVAL_MS = 100
const UPGRADE_REQUIRED = 426
const names = ['slow', 'stream', 'websocket'] as const

type Result = { readonly what: string; readonly outcome: string }

test('a long call, a stream of events and a WebSocket outlive an update of their function and a restart of the platform', async () => {
  await using cluster = await startCluster()
  await clean(cluster)
  await using functions = await buildFunctions(join(import.meta.dirname, '../fixtures/functions/stack.yml'), names)
  const longest = LONG_SECONDS + SPARE_SECONDS
  await using platform = await deployPlatform(cluster, longest <= DEFAULT_SHUTDOWN_SECONDS ? {} : { longestCallSeconds: longest })
  const images = new Map<string, string>()
  for (const name of names) images.set(name, await pushFunction(cluster, functions.folder, name))
  const deploy = async (version: string): Promise<void> => {
    for (const service of names) {
      const body = { service, image: images.get(service), envProcess: ENV_PROCESS, envVars: { version, exec_timeout: `${longest}s` } }
      const response = await platform.send('/system/functions', version === '1' ? 'POST' : 'PUT', body)
      assert.equal(response.status, 202, await response.text())
    }
  }
  await deploy('1')
  for (const name of names) {
    await eventually(`${name} answers`, async () => {
      const answer = await fetch(`${platform.url}/function/${name}?ms=1`, { headers: { connection: 'close' } }).catch(() => undefined)
      await answer?.body?.cancel()
      return answer?.status === (name === 'websocket' ? UPGRADE_REQUIRED : 200)
    }, PATIENCE_MS)
  }

  for (let round = 1; ; round++) {
    const before = new Set((await podsOf(cluster)).keys())
    const updated = startLong(platform)
    await updated.areOpen
    await deploy(String(round + 1))
    await eventually('all old pods are told to go, and others are ready', async () => {
      const now = [...await podsOf(cluster)]
      return now.every(([name, state]) => !before.has(name) || state === 'goes') && now.filter(([, state]) => state === 'stays').length === names.length
    }, PATIENCE_MS)
    const isShown = updated.over().length === 0
    assert.deepEqual(await updated.results, whole)
    if (isShown) break
    // On a very slow machine an update takes longer than the calls, and has shown nothing.
    assert.ok(round < ROUNDS, 'all updates took longer than the calls: set long_seconds higher')
  }

  const restarted = startLong(platform)
  await restarted.areOpen
  await cluster.kubectl('-n', 'openfaas', 'rollout', 'restart', 'deployment', 'gateway')
  await rolledOut(cluster)
  // Those that come new are served by the new pod meanwhile.
  assert.equal((await fetch(`${platform.url}/function/slow?ms=1`, { headers: { connection: 'close' } })).status, 200)
  assert.deepEqual(await restarted.results, whole)
  // Whoever was told to go has gone when its last call was over.
  await eventually('the old pods are gone', async () => (await podsOf(cluster)).size === names.length, PATIENCE_MS)
  for (const functionName of names) await platform.send('/system/functions', 'DELETE', { functionName })
}, { timeoutMs: 900_000 + 6 * LONG_SECONDS * 1000 })

const whole: readonly Result[] = [
  { what: 'call', outcome: '200 slow' }, { what: 'events', outcome: 'none is missing' }, { what: 'WebSocket', outcome: 'all echoed in order' },
]

type Long = { readonly areOpen: Promise<unknown>; readonly results: Promise<Result[]>; over(): string[] }

/** One of each, for LONG_SECONDS. */
function startLong({ url }: PlatformOnCluster): Long {
  const ended: string[] = []
  const note = (result: Result): Result => {
    ended.push(`${result.what}: ${result.outcome}`)
    return result
  }
  const events = streamOf(`${url}/function/stream`)
  const socket = socketOf(`${url.replace('http', 'ws')}/function/websocket`)
  const call = fetch(`${url}/function/slow?ms=${LONG_SECONDS * 1000}`, { method: 'POST' })
    .then(async (answer) => `${answer.status} ${await answer.text()}`, (error: unknown) => String(error))
    .then((outcome) => note({ what: 'call', outcome }))
  return {
    areOpen: Promise.all([events.isOpen, socket.isOpen]),
    results: Promise.all([call, events.result.then(note), socket.result.then(note)]),
    over: () => ended,
  }
}

type Open = { readonly isOpen: Promise<void>; readonly result: Promise<Result> }

/** The fixture numbers its events from 1 on. */
function streamOf(url: string): Open {
  const opened = Promise.withResolvers<void>()
  const result = new Promise<Result>((resolve) => {
    let text = ''
    const sent = get(url, { agent: false }, (answer) => {
      answer.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
        opened.resolve()
      })
      answer.on('error', () => {})
      answer.on('close', () => end(`the stream ended after ${text.split('\n\n').length - 1} events`))
    })
    const end = (why: string): void => {
      clearTimeout(timer)
      resolve({ what: 'events', outcome: why })
      opened.reject(new Error(why))
    }
    const timer = setTimeout(() => {
      const ids = text.split('\n\n').slice(0, -1).map((event) => /^id: (\d+)$/m.exec(event)?.[1])
      const missing = ids.findIndex((id, index) => id !== String(index + 1))
      end(missing < 0 && ids.length > LONG_SECONDS ? 'none is missing' : `${ids.length} events, wrong from number ${missing + 1} on`)
      sent.destroy()
    }, LONG_SECONDS * 1000)
    sent.on('error', (error) => end(error.message))
  })
  opened.promise.catch(() => {})
  return { isOpen: opened.promise, result }
}

function socketOf(url: string): Open {
  const opened = Promise.withResolvers<void>()
  const result = new Promise<Result>((resolve) => {
    const socket = new WebSocket(url)
    let sent = 0
    let received = 0
    let outcome = ''
    const ticker = setInterval(() => { if (socket.readyState === WebSocket.OPEN) socket.send(String(sent++)) }, ECHO_INTERVAL_MS)
    const end = (why: string): void => {
      outcome ||= why
      clearInterval(ticker)
      clearTimeout(timer)
      socket.terminate()
      opened.reject(new Error(outcome))
      resolve({ what: 'WebSocket', outcome })
    }
    const timer = setTimeout(() => {
      clearInterval(ticker)
      // The last echoes may be under way.
      eventually('all are echoed', () => received === sent, PATIENCE_MS).then(
        () => end(sent > LONG_SECONDS ? 'all echoed in order' : `only ${sent} sent`), () => end(`${received} of ${sent} echoed`))
    }, LONG_SECONDS * 1000)
    socket.on('message', (data) => {
      if (String(data) !== String(received++)) end(`echo ${received - 1} is "${String(data)}"`)
      opened.resolve()
    })
    socket.on('close', (code) => end(`closed with ${code} after ${received} echoes`))
    socket.on('error', (error) => end(error.message))
  })
  opened.promise.catch(() => {})
  return { isOpen: opened.promise, result }
}

/** Pods of functions, and whether they were told to go. */
async function podsOf(cluster: Cluster): Promise<Map<string, 'stays' | 'goes' | 'comes'>> {
  return new Map(listAt(await cluster.get('pods', '-n', 'openfaas-fn'), 'items').map((pod) => {
    const isReady = listAt(pod, 'status', 'conditions').some((one) => textAt(one, 'type') === 'Ready' && textAt(one, 'status') === 'True')
    return [textAt(pod, 'metadata', 'name') ?? '', textAt(pod, 'metadata', 'deletionTimestamp') !== undefined ? 'goes' : isReady ? 'stays' : 'comes']
  }))
}
