/** Dispatch over a real queue on a real disk, to functions behind a real server. */
import * as assert from 'node:assert/strict'
import { BrambleError } from '../../platform/lib/errors.ts'
import { defaultRetryPolicy, type RetryPolicy } from '../../platform/openfaas/retry-policy.ts'
import { createCallbackSender } from '../../platform/queue/callback.ts'
import { createDispatch, type Dispatch, type DispatchDeps } from '../../platform/queue/dispatch.ts'
import { createFunctionCall } from '../../platform/queue/function-call.ts'
import type { NewMessage, Queue } from '../../platform/queue/queue.ts'
import { eventually, test } from '../kit.ts'
import { messageOf } from './contract.ts'
import { serveFunctions, taking, type FunctionsServer, type Handler } from './functions-server.ts'
import { keepLog, openEmbedded } from './world.ts'

type World = AsyncDisposable & { readonly queue: Queue; readonly dispatch: Dispatch; readonly server: FunctionsServer; readonly lines: Record<string, unknown>[] }

const quick: RetryPolicy = { ...defaultRetryPolicy, attempts: 3, minWaitMs: 20, maxWaitMs: 50 }
const refOf = (name: string) => ({ name, namespace: 'openfaas-fn' })

async function open(functions: Readonly<Record<string, Handler>>, more: Partial<DispatchDeps> = {}): Promise<World> {
  const server = await serveFunctions(functions)
  const embedded = await openEmbedded()
  const { call, close } = createFunctionCall({ gatewayUrl: () => server.url })
  const { log, lines } = keepLog()
  const dispatch = createDispatch({
    queue: embedded.queue, call, callbacks: createCallbackSender({ allowedHosts: [`127.0.0.1:${server.port}`], timeoutMs: 5_000 }),
    policyOf: async () => quick, shutdownTimeoutMs: 5_000, callbackBodyBytes: 1_000, log, ...more,
  })
  await dispatch.start()
  return {
    queue: embedded.queue, dispatch, server, lines,
    async [Symbol.asyncDispose]() {
      await dispatch.stop()
      close()
      await embedded[Symbol.asyncDispose]()
      await server[Symbol.asyncDispose]()
    },
  }
}

function withCallback(name: string, callId: string, callbackUrl: string): NewMessage {
  const message = messageOf(name, callId)
  return message.head.kind === 'call' ? { ...message, head: { ...message.head, callbackUrl } } : message
}

const isEmpty = (world: World) => (): boolean => world.dispatch.snapshot().every(({ pending, delayed }) => pending + delayed === 0)

test('a call reaches its function as it was made, once', async () => {
  await using world = await open({ one: taking(0) })
  await world.queue.enqueue(messageOf('one', 'id-1', { body: Buffer.from('hello') }))
  await eventually('it is called', () => world.server.seen.length > 0)
  await eventually('nothing is left', isEmpty(world))
  const [call] = world.server.seen
  assert.deepEqual([call?.name, call?.method, call?.path, call?.body], ['one', 'POST', '/a?b=c', 'hello'])
  assert.deepEqual([call?.headers['x-call-id'], call?.headers['x-one'], call?.headers['content-length']], ['id-1', '1', '5'])
  assert.equal(world.server.seen.length, 1)
})

test('a failing call is tried as often as its policy says, then it is a dead letter', async () => {
  await using world = await open({ one: taking(0, 500) })
  await world.queue.enqueue(messageOf('one', 'a'))
  const [letter] = await eventually('it is dead', async () => {
    const list = await world.queue.dead.list({ limit: 10 })
    return list.length > 0 && list
  })
  assert.equal(world.server.seen.length, 3)
  assert.deepEqual([letter?.reason, letter?.attempts], ['answered 500 at the last of 3 tries', 3])
})

test('a call that works at its second try is done', async () => {
  let tries = 0
  await using world = await open({ one: (_call, res) => { res.writeHead(++tries === 1 ? 500 : 200).end() } })
  await world.queue.enqueue(messageOf('one', 'a'))
  await eventually('it is tried again', () => tries === 2)
  await eventually('nothing is left', isEmpty(world))
  assert.deepEqual(await world.queue.dead.list({ limit: 1 }), [])
})

test('a redriven letter is called again', async () => {
  let status = 400
  await using world = await open({ one: (_call, res) => { res.writeHead(status).end() } })
  await world.queue.enqueue(messageOf('one', 'a'))
  const [letter] = await eventually('it is dead', async () => {
    const list = await world.queue.dead.list({ limit: 10 })
    return list.length > 0 && list
  })
  assert.equal(letter?.reason, 'answered 400, which is not tried again')
  status = 200
  await world.queue.dead.redrive(letter.id)
  await eventually('it is called again', () => world.server.seen.length === 2)
})

test('a function that is not deployed makes a dead letter at once', async () => {
  await using world = await open({})
  await world.queue.enqueue(messageOf('nobody', 'a'))
  const [letter] = await eventually('it is dead', async () => {
    const list = await world.queue.dead.list({ limit: 10 })
    return list.length > 0 && list
  })
  assert.equal(letter?.reason, 'the function is not deployed')
})

test('nobody there is tried again', async () => {
  await using world = await open({ one: (_call, res) => { res.destroy() } })
  await world.queue.enqueue(messageOf('one', 'a'))
  await eventually('it is dead after its tries', async () => (await world.queue.dead.list({ limit: 1 })).length === 1)
  assert.equal(world.server.seen.length, 3)
})

test('Retry-After of a 429 is honoured', async () => {
  let tries = 0
  await using world = await open({ one: (_call, res) => { res.writeHead(++tries === 1 ? 429 : 200, { 'retry-after': '1' }).end() } })
  await world.queue.enqueue(messageOf('one', 'a'))
  await eventually('it is tried again', () => tries === 2)
  const [first, second] = world.server.seen
  assert.ok((second?.atMs ?? 0) - (first?.atMs ?? 0) >= 995)
})

test('concurrency stays around what a function takes, and all calls are done', async () => {
  let busy = 0
  await using world = await open({
    one: (_call, res) => {
      if ((world.server.running.get('one') ?? 0) > 4) {
        busy++
        res.writeHead(429).end()
      } else setTimeout(() => res.end('done'), 20)
    },
  }, { policyOf: async () => ({ ...quick, attempts: 100 }) })
  for (let index = 0; index < 300; index++) void world.queue.enqueue(messageOf('one', `${index}`))
  await eventually('all are done', () => new Set(world.server.seen.map(({ headers }) => headers['x-call-id'])).size === 300 && isEmpty(world)(), 60_000)
  assert.ok(busy < 100, `${busy} refusals for 300 calls`)
  assert.deepEqual(await world.queue.dead.list({ limit: 1 }), [])
}, { timeoutMs: 90_000 })

test('a flood of slow calls does not keep another function waiting', async () => {
  await using world = await open({ slow: taking(300), quick: taking(0) })
  for (let index = 0; index < 500; index++) void world.queue.enqueue(messageOf('slow', `s${index}`))
  await eventually('the flood runs', () => (world.server.peak.get('slow') ?? 0) >= 4)
  const sentMs = performance.now()
  await world.queue.enqueue(messageOf('quick', 'q'))
  const call = await eventually('the other one is called', () => world.server.seen.find(({ name }) => name === 'quick'))
  const floods = world.server.seen.filter(({ name, atMs }) => name === 'slow' && atMs > sentMs && atMs < call.atMs).length
  assert.ok(floods < 250, `${floods} calls of the flood came first`)
}, { timeoutMs: 60_000 })

test('the lease of a long call is extended: it runs once', async () => {
  await using world = await open({ one: taking(1_500) }, { leaseMs: 300 })
  await world.queue.enqueue(messageOf('one', 'a'))
  await eventually('it is done', () => world.server.seen.length > 0 && isEmpty(world)())
  assert.equal(world.server.seen.length, 1)
})

test('a cancelled call is cut off while it runs, and never begins while it waits', async () => {
  await using world = await open({ one: taking(60_000) })
  await world.queue.enqueue(messageOf('one', 'runs'))
  await world.queue.enqueue(messageOf('one', 'later', { delayMs: 60_000 }))
  await eventually('it runs', () => world.server.seen.length === 1)
  await world.dispatch.cancel('runs')
  await world.dispatch.cancel('later')
  await eventually('it is cut', () => world.server.cut.length === 1)
  await eventually('nothing is left', isEmpty(world))
  await assert.rejects(world.dispatch.cancel('later'), (error) => error instanceof BrambleError && error.code === 'NOT_FOUND')
  assert.equal(world.server.seen.length, 1)
})

test('a stop waits for calls under way', async () => {
  await using world = await open({ one: taking(300) })
  await world.queue.enqueue(messageOf('one', 'a'))
  await eventually('it runs', () => world.server.seen.length === 1)
  await world.dispatch.stop()
  assert.equal(world.server.cut.length, 0)
  assert.deepEqual(await world.queue.take('one.openfaas-fn', { count: 1, bytes: 1 }, 1_000), [])
})

test('a stop gives back what takes longer than it may', async () => {
  await using world = await open({ one: taking(60_000) }, { shutdownTimeoutMs: 50 })
  await world.queue.enqueue(messageOf('one', 'a'))
  await eventually('it runs', () => world.server.seen.length === 1)
  await world.dispatch.stop()
  const [again] = await world.queue.take('one.openfaas-fn', { count: 1, bytes: 1 }, 1_000)
  assert.deepEqual([again?.head.callId, again?.attempts], ['a', 0])
})

test('the backlog counts what is due or runs', async () => {
  await using world = await open({ one: taking(400) }, { maxInFlight: 1 })
  for (let index = 0; index < 3; index++) await world.queue.enqueue(messageOf('one', `${index}`))
  await eventually('all three are seen', () => world.dispatch.backlog(refOf('one')) === 3)
  await eventually('it becomes none', () => world.dispatch.backlog(refOf('one')) === 0)
  assert.deepEqual([...world.dispatch.snapshot()[0]?.processed ?? []], [[200, 3]])
})

test('the callback brings the answer with the documented headers', async () => {
  await using world = await open({
    one: (_call, res) => { res.writeHead(201, { 'content-type': 'text/x-answer', 'x-own': 'yes', 'x-call-id': 'forged' }).end('the answer') },
    callback: (_call, res) => { res.end() },
  })
  await world.queue.enqueue(withCallback('one', 'id-1', `${world.server.url}/back?x=1`))
  const back = await eventually('the callback comes', () => world.server.seen.find(({ name }) => name === 'callback'))
  assert.deepEqual([back.method, back.path, back.body], ['POST', '/back?x=1', 'the answer'])
  const { headers } = back
  assert.deepEqual([headers['x-call-id'], headers['x-function-name'], headers['x-function-status'], headers['x-own'], headers['content-type'], headers['x-retry'], headers['x-retry-max']],
    ['id-1', 'one.openfaas-fn', '201', 'yes', 'text/x-answer', '0', '3'])
  assert.match(String(headers['x-duration-seconds']), /^[0-9]+\.[0-9]{6}$/)
})

test('the callback of a call that failed for good tells so, once', async () => {
  await using world = await open({ one: taking(0, 500), callback: (_call, res) => { res.end() } })
  await world.queue.enqueue(withCallback('one', 'id-1', world.server.url))
  const back = await eventually('the callback comes', () => world.server.seen.find(({ name }) => name === 'callback'))
  assert.deepEqual([back.headers['x-function-status'], back.headers['x-retry']], ['500', '2'])
  await eventually('nothing is left', isEmpty(world))
  assert.equal(world.server.seen.filter(({ name }) => name === 'callback').length, 1)
})

test('a callback to a private address is a dead letter that says why', async () => {
  await using world = await open({ one: taking(0) }, { callbacks: createCallbackSender({ allowedHosts: [], timeoutMs: 1_000 }) })
  await world.queue.enqueue(withCallback('one', 'id-1', `${world.server.url}/secret`))
  const [letter] = await eventually('it is dead', async () => {
    const list = await world.queue.dead.list({ limit: 10 })
    return list.length > 0 && list
  })
  assert.equal(letter?.kind, 'callback')
  assert.match(letter?.reason ?? '', /not on the public Internet/)
  assert.ok(world.server.seen.every(({ name }) => name === 'one'))
})
