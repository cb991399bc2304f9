/**
 * A board that goes silent. Here it is a process that is stopped and whose line of waiting connections is full: the
 * kernel answers nobody then, as a board whose cable is pulled.
 */
import * as assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'
import { createDataPath, type DataPath } from '../../platform/gateway/data-path.ts'
import { createLog } from '../../platform/lib/log.ts'
import type { Endpoint } from '../../platform/provider/provider.ts'
import { LIMITS } from '../contract/replay.ts'
import { eventually, test } from '../kit.ts'

const ref = { name: 'one', namespace: 'openfaas-fn' }
const BACKLOG = 1
/** The kernel takes one more than it was told, and some half open. */
const ENOUGH = 8
const LIMIT = { timeoutMs: 60_000 }
const PATIENCE_MS = 20_000

const boardSource = `
const server = require('node:http').createServer((req, res) => { setTimeout(() => res.end('board'), req.url === '/slow' ? 3000 : 0) })
server.listen({ port: 0, host: '127.0.0.1', backlog: ${BACKLOG} }, () => console.log(server.address().port))`

type Board = AsyncDisposable & { readonly endpoint: Endpoint; goSilent(): Promise<void>; comeBack(): void }

async function startBoard(): Promise<Board> {
  const child: ChildProcess = spawn(process.execPath, ['-e', boardSource], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = await once(child.stdout ?? process.stdin, 'data')
  const port = Number(String(line))
  const waiting: Socket[] = []
  return {
    endpoint: { instance: 'board', host: '127.0.0.1', port },
    async goSilent() {
      child.kill('SIGSTOP')
      for (let index = 0; index < ENOUGH; index++) waiting.push(connect(port, '127.0.0.1').on('error', () => undefined))
      await eventually('nobody is connected any more', async () => {
        const probe = connect(port, '127.0.0.1').on('error', () => undefined)
        waiting.push(probe)
        const answered = await Promise.race([once(probe, 'connect').then(() => true, () => true), new Promise((resolve) => setTimeout(resolve, 200, false))])
        return answered === false
      }, PATIENCE_MS)
    },
    comeBack() {
      for (const socket of waiting.splice(0)) socket.destroy()
      child.kill('SIGCONT')
    },
    async [Symbol.asyncDispose]() {
      for (const socket of waiting) socket.destroy()
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    },
  }
}

type World = AsyncDisposable & {
  readonly dataPath: DataPath
  readonly messages: string[]
  readonly held: ServerResponse[]
  readonly other: Endpoint
  call(path?: string, method?: string): Promise<string>
}

async function open(): Promise<World> {
  const messages: string[] = []
  const held: ServerResponse[] = []
  const server = createServer((req, res) => {
    if (req.url === '/hold') held.push(res)
    else res.end('other')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  const dataPath = createDataPath({
    host: '127.0.0.1', port: 0, limits: { ...LIMITS, upstreamTimeoutMs: 40_000, readyTimeoutMs: 30_000 },
    servedBy: () => 'test', waker: undefined, onDrained: () => undefined, onAnnounced: () => undefined, other: (_req, res) => { res.end() },
    log: createLog({ level: 'info', write: (line) => { messages.push(JSON.parse(line).message) } }),
  })
  await dataPath.start()
  return {
    dataPath, messages, held,
    other: { instance: 'other', host: '127.0.0.1', port: address.port },
    async call(path = '', method = 'GET') {
      const answer = await fetch(`http://127.0.0.1:${dataPath.port()}/function/one${path}`, { method })
      return `${answer.status} ${await answer.text()}`
    },
    async [Symbol.asyncDispose]() {
      for (const res of held) res.end('other')
      await dataPath.stop()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const SILENT = 'replica does not answer; it gets no calls until it does'
const HEARD = 'replica is heard again'

test('a silent board gets no new calls though it has the fewest, and is used again when it answers', async () => {
  await using board = await startBoard()
  await using world = await open()
  const { dataPath, messages, held } = world
  dataPath.table.apply({ ref, route: { ref, replicas: 1, endpoints: [board.endpoint] } })
  assert.equal(await world.call(), '200 board')
  await board.goSilent()
  const stuck = world.call('', 'POST')
  await eventually('its silence is noticed', () => messages.includes(SILENT), PATIENCE_MS)
  dataPath.table.apply({ ref, route: { ref, replicas: 2, endpoints: [board.endpoint, world.other] } })
  const onOther = Array.from({ length: 5 }, () => world.call('/hold'))
  await eventually('the other one has them', () => held.length === 5, PATIENCE_MS)
  assert.equal([...dataPath.table.targets()][0]?.replicas[0]?.failures, 0, 'none was tried on the silent one')
  board.comeBack()
  assert.equal(await stuck, '200 board', 'a call that was on it is not given up')
  await eventually('it is heard', () => messages.includes(HEARD), PATIENCE_MS)
  assert.equal(await world.call(), '200 board')
  for (const res of held.splice(0)) res.end('other')
  assert.deepEqual([...new Set(await Promise.all(onOther))], ['200 other'])
}, LIMIT)

test('a board that is busy is not silent', async () => {
  await using board = await startBoard()
  await using world = await open()
  world.dataPath.table.apply({ ref, route: { ref, replicas: 1, endpoints: [board.endpoint] } })
  assert.equal(await world.call('/slow'), '200 board')
  assert.deepEqual(world.messages, [])
}, LIMIT)

test('after a long silence calls are given up: what may be repeated goes elsewhere, the rest is told', async () => {
  await using board = await startBoard()
  await using world = await open()
  world.dataPath.table.apply({ ref, route: { ref, replicas: 1, endpoints: [board.endpoint] } })
  assert.equal(await world.call(), '200 board')
  await board.goSilent()
  const get = world.call()
  await eventually('the call is on it', () => [...world.dataPath.table.targets()][0]?.replicas[0]?.inFlight === 1, PATIENCE_MS)
  const post = world.call('', 'POST')
  world.dataPath.table.apply({ ref, route: { ref, replicas: 2, endpoints: [board.endpoint, world.other] } })
  assert.equal(await get, '200 other')
  // On a connection that was open it may have run; on a new one it never was sent.
  assert.match(await post, /^(502 replica board|200 other)/)
}, LIMIT)
