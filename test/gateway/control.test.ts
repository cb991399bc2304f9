/** The data path apart from the control process: both sides real, over real sockets; either may go and come back. */
import * as assert from 'node:assert/strict'
import { connect } from 'node:net'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createControl, type Control } from '../../platform/gateway/control/control.ts'
import { createRemoteDataPath, type RemoteDataPath } from '../../platform/gateway/control/remote-data-path.ts'
import type { Waker } from '../../platform/gateway/parking.ts'
import { BrambleError } from '../../platform/lib/errors.ts'
import { createLog } from '../../platform/lib/log.ts'
import type { Endpoint, Provider } from '../../platform/provider/provider.ts'
import { LIMITS } from '../contract/replay.ts'
import { createSeededProvider, type SeededProvider } from '../contract/seeded-provider.ts'
import { CREDENTIALS } from '../contract/scenario.ts'
import { eventually, test } from '../kit.ts'

const NAME = 'one.openfaas-fn'
const log = createLog({ level: 'error', write: (line) => process.stderr.write(line) })
const auth = { authorization: `Basic ${Buffer.from(`${CREDENTIALS.user}:${CREDENTIALS.password}`).toString('base64')}` }

type Replica = AsyncDisposable & { readonly endpoint: Endpoint; readonly held: ServerResponse[]; release(): void }

/** A function that answers with its name at once, or holds `/hold` until it is released. */
async function startReplica(instance: string): Promise<Replica> {
  const held: ServerResponse[] = []
  const server = createServer((req: IncomingMessage, res) => {
    if (req.url === '/hold') held.push(res)
    else res.end(instance)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  return {
    endpoint: { instance, host: '127.0.0.1', port: address.port },
    held,
    release: () => { for (const res of held.splice(0)) res.end(instance) },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

type World = AsyncDisposable & {
  readonly provider: SeededProvider
  readonly drained: string[]
  readonly announced: string[]
  readonly dataPaths: RemoteDataPath[]
  control: Control
  url(index?: number): string
  /** A control process that starts anew over the same provider, after the old one has gone. */
  replaceControl(): Promise<void>
}

async function open(options: { readonly count?: number; readonly waker?: Waker; readonly functions?: number } = {}): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-control-'))
  const functions = ['one', 'two'].slice(0, options.functions ?? 1)
  const seeded = createSeededProvider({
    functions: functions.map((service) => ({ deployment: { service, image: `test/${service}` }, replicas: 1, availableReplicas: 0 })),
  })
  const drained: string[] = []
  const announced: string[] = []
  const provider: Provider = {
    ...seeded, drained: (instance) => { drained.push(instance) }, announced: (secret, host) => { announced.push(`${secret} ${host}`) },
  }
  const makeControl = (): Control => createControl({
    provider, credentials: CREDENTIALS, host: '127.0.0.1', port: 0, folder, version: { release: '1.2.3', sha: '0' }, log,
    readTimeoutMs: 5_000, shutdownTimeoutMs: 100, ...(options.waker ? { waker: options.waker } : {}),
  })
  await seeded.start()
  const world: World = {
    provider: seeded, drained, announced, control: makeControl(),
    dataPaths: Array.from({ length: options.count ?? 1 }, () =>
      createRemoteDataPath({ host: '127.0.0.1', port: 0, isShared: false, limits: { ...LIMITS, readyTimeoutMs: 10_000 }, folder, signal: new AbortController().signal, log })),
    url: (index = 0) => `http://127.0.0.1:${world.dataPaths[index]?.port()}`,
    async replaceControl() {
      await world.control.stop()
      world.control = makeControl()
      await world.control.start()
    },
    async [Symbol.asyncDispose]() {
      for (const one of world.dataPaths) await one.stop()
      await world.control.stop()
      await seeded.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
  await world.control.start()
  for (const one of world.dataPaths) await one.start()
  await eventually('all know the routes', () => world.dataPaths.every((one) => one.isReady()))
  return world
}

async function text(url: string, init: RequestInit = {}): Promise<string> {
  const answer = await fetch(url, init)
  return `${answer.status} ${await answer.text()}`
}

test('routes reach every process of the data path, and each change after', async () => {
  await using a = await startReplica('a')
  await using b = await startReplica('b')
  await using world = await open({ count: 2 })
  for (const replica of [a, b]) {
    world.provider.setEndpoints(NAME, [replica.endpoint])
    for (const index of [0, 1]) {
      await eventually('the call goes to the new replica', async () =>
        await text(`${world.url(index)}/function/one`) === `200 ${replica.endpoint.instance}`)
    }
  }
})

test('calls go on while the control process is away, and what changed meanwhile is known when it is back', async () => {
  await using a = await startReplica('a')
  await using b = await startReplica('b')
  await using world = await open({ functions: 2 })
  world.provider.setEndpoints(NAME, [a.endpoint])
  assert.equal(await text(`${world.url()}/function/one`), '200 a')
  await world.control.stop()
  assert.equal(await text(`${world.url()}/function/one`), '200 a')
  assert.equal(await text(`${world.url()}/healthz`), '200 OK')
  assert.match(await text(`${world.url()}/system/functions`, { headers: auth }), /^503 the control process is away/)
  world.provider.setEndpoints(NAME, [b.endpoint])
  await world.provider.remove({ name: 'two', namespace: 'openfaas-fn' })
  await world.replaceControl()
  await eventually('the new route', async () => await text(`${world.url()}/function/one`) === '200 b')
  assert.match(await text(`${world.url()}/function/two`), /^404/)
  assert.match(await text(`${world.url()}/system/functions`, { headers: auth }), /^200 \[\{"name":"one"/)
})

test('the API answers through the data path, with its own rules', async () => {
  await using world = await open()
  assert.match(await text(`${world.url()}/system/functions`), /^401/)
  assert.match(await text(`${world.url()}/system/info`, { headers: auth }), /1\.2\.3/)
  const created = await fetch(`${world.url()}/system/secrets`, {
    method: 'POST', headers: auth, body: JSON.stringify({ name: 'key', value: 'a'.repeat(500_000) }),
  })
  assert.equal(created.status, 202)
  assert.equal(world.provider.secretValue('key')?.length, 500_000)
})

test('a replica that says it serves is told to the provider, with the address that it spoke from', async () => {
  await using world = await open()
  const secret = '0b1c2d3e-0000-4000-8000-123456789abc'
  assert.match(await text(`${world.url()}/_/serving/${secret}`), /^401/, 'only a POST says so')
  assert.match(await text(`${world.url()}/_/serving/nonsense`, { method: 'POST' }), /^401/)
  assert.equal(await text(`${world.url()}/_/serving/${secret}`, { method: 'POST' }), '204 ')
  await eventually('the provider hears it', () => world.announced.length > 0)
  assert.deepEqual(world.announced, [`${secret} 127.0.0.1`])

  const flood = 2_000
  const beganMs = performance.now()
  const socket = connect(world.dataPaths[0]?.port() ?? 0, '127.0.0.1')
  // A piece may end in the middle of an answer.
  let answers = ''
  socket.on('data', (chunk: Buffer) => { answers += chunk.toString() })
  socket.write(`POST /_/serving/${secret} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n`.repeat(flood))
  await eventually('all are answered', () => answers.split('HTTP/1.1 204').length - 1 === flood)
  socket.destroy()
  const allowed = 200 * (Math.ceil((performance.now() - beganMs) / 1000) + 1)
  assert.ok(world.announced.length - 1 <= allowed, `${world.announced.length - 1} of a flood were passed on, ${allowed} may be`)
})

test('a replica is drained when no process has a call on it any more', async () => {
  await using a = await startReplica('a')
  await using b = await startReplica('b')
  await using world = await open({ count: 2 })
  world.provider.setEndpoints(NAME, [a.endpoint])
  await eventually('it is known', async () => await text(`${world.url(1)}/function/one`) === '200 a')
  const held = text(`${world.url(1)}/function/one/hold`)
  await eventually('the call is there', () => a.held.length === 1)
  world.provider.setEndpoints(NAME, [b.endpoint])
  await eventually('the other one is known', async () => await text(`${world.url(0)}/function/one`) === '200 b')
  assert.deepEqual(world.drained, [])
  a.release()
  assert.equal(await held, '200 a')
  await eventually('it is drained', () => world.drained.includes('a'))
  assert.deepEqual(world.drained, ['a'])
})

test('a process that dies keeps no replica from being drained', async () => {
  await using a = await startReplica('a')
  await using world = await open({ count: 2 })
  world.provider.setEndpoints(NAME, [a.endpoint])
  await eventually('it is known', async () => await text(`${world.url(1)}/function/one`) === '200 a')
  const held = text(`${world.url(1)}/function/one/hold`).catch(() => 'cut')
  await eventually('the call is there', () => a.held.length === 1)
  world.provider.setEndpoints(NAME, [])
  // Its stop waits for the call no longer than the time limit, and then its connection is gone.
  await world.dataPaths[1]?.stop()
  await eventually('it is drained', () => world.drained.includes('a'))
  a.release()
  await held
})

test('numbers of all processes are added up, and those of one that has ended are kept', async () => {
  await using a = await startReplica('a')
  await using world = await open({ count: 2 })
  world.provider.setEndpoints(NAME, [a.endpoint])
  for (const index of [0, 1, 1]) await eventually('a call', async () => await text(`${world.url(index)}/function/one`) === '200 a')
  const held = text(`${world.url(0)}/function/one/hold`)
  await eventually('one call is under way', () => world.control.loads()[0]?.inFlight === 1)
  const busyMs = world.control.loads()[0]?.busyMs ?? 0
  await eventually('its time goes on without news', () => (world.control.loads()[0]?.busyMs ?? 0) > busyMs)
  a.release()
  await held
  const total = (): number => [...world.control.snapshot().functions][0]?.byCode.get(200)?.count ?? 0
  const before = await eventually('all are counted', () => total() >= 4 && total())
  await world.dataPaths[1]?.stop()
  assert.equal(total(), before)
  await world.control.stop()
  assert.equal(world.control.loads()[0]?.inFlight, 0)
})

test('a call for a function at rest is passed on, and so is the reason when it cannot start', async () => {
  const woken: string[] = []
  let error: Error | undefined
  await using a = await startReplica('a')
  await using world = await open({
    waker: {
      async wake(ref) {
        woken.push(ref.name)
        if (error) throw error
        world.provider.setEndpoints(NAME, [a.endpoint])
      },
      whyNotReady: async () => undefined,
    },
  })
  assert.equal(await text(`${world.url()}/function/one`), '200 a')
  assert.deepEqual(woken, ['one'])
  world.provider.setEndpoints(NAME, [])
  error = new BrambleError('UNAVAILABLE', 'it ends with code 3')
  await eventually('the reason', async () => await text(`${world.url()}/function/one`) === '503 it ends with code 3')
})

test('a wish that was told to a control process that died is told to the next one', async () => {
  await using a = await startReplica('a')
  let wakes = 0
  await using world = await open({
    waker: {
      async wake() {
        wakes++
        if (wakes === 1) await new Promise(() => undefined)
        world.provider.setEndpoints(NAME, [a.endpoint])
      },
      whyNotReady: async () => undefined,
    },
  })
  const call = text(`${world.url()}/function/one`)
  await eventually('it is asked for', () => wakes === 1)
  await world.replaceControl()
  assert.equal(await call, '200 a')
})

test('a folder whose name is too long for a socket is refused with the setting that mends it', async () => {
  await using world = await open()
  const control = createControl({
    provider: world.provider, credentials: CREDENTIALS, host: '127.0.0.1', port: 0, folder: `/tmp/${'a'.repeat(120)}`,
    version: { release: '1', sha: '0' }, log, readTimeoutMs: 1, shutdownTimeoutMs: 1,
  })
  await assert.rejects(control.start(), { code: 'INVALID', message: /control_dir/ })
})
