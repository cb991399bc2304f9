/**
 * The control process's side: feeds each process of the data path with routes, takes their numbers and wishes. A
 * process that connects later gets all routes first, so either side may be killed and come back.
 */
import { chmod, mkdir, rm } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { BrambleError, reasonOf } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import type { Part } from '../../lib/parts.ts'
import { serviceName } from '../../openfaas/names.ts'
import { DEFAULT_NAMESPACE, type FunctionRef } from '../../openfaas/types.ts'
import type { Provider, RouteChange } from '../../provider/provider.ts'
import type { Waker } from '../parking.ts'
import { createPlaces, type PlacedChange } from '../places.ts'
import { MESSAGES_SOCKET, type PlainError, type ToControl, type ToDataPath } from './messages.ts'
import { createNumbers, type Numbers, type PeerNumbers } from './numbers.ts'
import { createWire, type Wire } from './wire.ts'

export type Hub = Part & {
  readonly numbers: Pick<Numbers, 'series' | 'loads' | 'finished' | 'process'>
  /** Each function's route as it was last told. */
  routes(): Iterable<RouteChange>
  /** By `NAME` (default namespace) or `NAME.NAMESPACE`. */
  find(name: string): FunctionRef | undefined
  /** The port the data path listens on; `undefined` while none of its processes is there. */
  port(): number | undefined
  /** Resolves when a process of the data path is there. */
  connected(): Promise<void>
}

export type HubOptions = {
  readonly provider: Pick<Provider, 'watch' | 'drained' | 'announced'>
  readonly waker: Waker | undefined
  /** What `X-Served-By` says. */
  readonly servedBy: string
  /** Shared with the data path; made when missing, closed to others. */
  readonly folder: string
  readonly log: Log
}

type Peer = { readonly wire: Wire<ToDataPath>; readonly numbers: PeerNumbers; readonly socket: Socket; pid: number; port: number | undefined }

export function createHub({ provider, waker, servedBy, folder, log }: HubOptions): Hub {
  const path = join(folder, MESSAGES_SOCKET)
  const numbers = createNumbers()
  const peers = new Set<Peer>()
  const routes = new Map<string, PlacedChange>()
  const place = createPlaces()
  /** Replicas that left their route, and who may still have calls on them. */
  const leaving = new Map<string, Set<Peer>>()
  const { promise: isConnected, resolve: setConnected } = Promise.withResolvers<void>()
  let server: Server | undefined
  let unwatch: (() => void) | undefined

  const isDrained = (instance: string, peer: Peer): void => {
    const pending = leaving.get(instance)
    pending?.delete(peer)
    if (pending !== undefined && pending.size > 0) return
    leaving.delete(instance)
    provider.drained(instance)
  }

  const onChange = (told: RouteChange): void => {
    const change = place(told)
    const key = serviceName(change.ref)
    const now = new Set(change.route?.endpoints.map(({ instance }) => instance))
    const left = routes.get(key)?.route?.endpoints.filter(({ instance }) => !now.has(instance)) ?? []
    if (change.route === undefined) routes.delete(key)
    else routes.set(key, change)
    for (const { instance } of left) {
      if (peers.size === 0) provider.drained(instance)
      else leaving.set(instance, new Set(peers))
    }
    for (const { wire } of peers) wire.send({ type: 'route', change })
  }

  const answer = async (peer: Peer, message: Extract<ToControl, { type: 'wake' | 'why' }>): Promise<void> => {
    let reason: string | undefined
    let error: PlainError | undefined
    try {
      if (message.type === 'wake') await waker?.wake(message.ref)
      else reason = await waker?.whyNotReady(message.ref)
    } catch (cause) {
      error = { code: cause instanceof BrambleError ? cause.code : undefined, message: reasonOf(cause) }
    }
    peer.wire.send({ type: 'reply', id: message.id, reason, error })
  }

  const onMessage = (peer: Peer, message: ToControl): void => {
    const nowMs = performance.now()
    if (message.type === 'hello') {
      peer.pid = message.pid
      if (message.port === undefined) return
      peer.port = message.port
      setConnected()
      log.info('data path connected', { pid: message.pid })
    } else if (message.type === 'drained') {
      isDrained(message.instance, peer)
    } else if (message.type === 'announced') {
      provider.announced?.(message.secret, message.host)
    } else if (message.type === 'loads') {
      for (const load of message.loads) peer.numbers.loads.set(load.name, { load, atMs: nowMs })
    } else if (message.type === 'series') {
      for (const one of message.series) peer.numbers.series.set(one.name, one)
      peer.numbers.process = message.process
    } else {
      void answer(peer, message)
    }
  }

  const connect = (socket: Socket): void => {
    const wire = createWire<ToControl, ToDataPath>(socket, (message) => onMessage(peer, message))
    const peer: Peer = { wire, socket, numbers: numbers.open(), pid: 0, port: undefined }
    peers.add(peer)
    socket.on('error', (error) => log.warn('data path out of reach', { pid: peer.pid, error }))
    socket.on('close', () => {
      peers.delete(peer)
      numbers.close(peer.numbers)
      for (const instance of leaving.keys()) isDrained(instance, peer)
      if (server !== undefined) log.warn('data path disconnected', { pid: peer.pid })
    })
    wire.send({ type: 'routes', routes: [...routes.values()], servedBy })
  }

  return {
    numbers,
    routes: () => routes.values(),
    find: (name) => (routes.get(name) ?? routes.get(serviceName({ name, namespace: DEFAULT_NAMESPACE })))?.ref,
    connected: () => isConnected,
    port: () => [...peers].find(({ port }) => port !== undefined)?.port,
    async start() {
      if (server !== undefined) return
      await mkdir(folder, { recursive: true, mode: 0o700 })
      // One that was killed leaves its socket behind.
      await rm(path, { force: true })
      unwatch = provider.watch(onChange)
      const created = createServer(connect)
      await new Promise<void>((resolve, reject) => created.once('error', reject).listen(path, resolve))
      await chmod(path, 0o600)
      server = created
    },
    async stop() {
      const stopping = server
      server = undefined
      unwatch?.()
      unwatch = undefined
      if (stopping === undefined) return
      const closed = new Promise<void>((resolve) => { stopping.close(() => resolve()) })
      for (const { socket } of peers) socket.destroy()
      await closed
    },
  }
}
