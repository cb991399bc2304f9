/**
 * The data path's side: routes in, numbers and wishes out. While the control process is away, calls go on from the
 * routes known last; what was asked of it is asked again when it is back.
 */
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { backoffMs } from '../../lib/backoff.ts'
import { BrambleError, hasCode } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import { createLoop } from '../../lib/loop.ts'
import type { Part } from '../../lib/parts.ts'
import { cpuSeconds } from '../../metrics/cpu-seconds.ts'
import { loadOf } from '../../metrics/function-load.ts'
import type { FunctionSeries } from '../../metrics/invocations.ts'
import { serviceName } from '../../openfaas/names.ts'
import type { FunctionRef } from '../../openfaas/types.ts'
import type { Waker } from '../parking.ts'
import type { Table } from '../table.ts'
import { MESSAGES_SOCKET, type ToControl, type ToDataPath } from './messages.ts'
import { plain } from './numbers.ts'
import { createWire, type Wire } from './wire.ts'

export type Link = Part & Waker & {
  /** All routes have arrived at least once. */
  isSynced(): boolean
  /** Resolves with that; rejects when `signal` fires before. */
  synced(): Promise<void>
  /** Calls are taken on this port from now on. */
  listening(port: number): void
  /** As the control process says it. */
  servedBy(): string
  drained(instance: string): void
  announced(secret: string, host: string): void
}

export type LinkOptions = {
  readonly folder: string
  /** Asked for at `start`: the table tells this link what is drained. */
  readonly table: () => Pick<Table, 'apply' | 'targets'>
  /** Ends the wait for the first routes. */
  readonly signal: AbortSignal
  readonly log: Log
}

/** How often the numbers go out: the scaler must see a load step within two seconds, and new calls at once. */
const LOADS_EVERY_MS = 100
const SERIES_EVERY_MS = 1_000
const RECONNECT = { firstMs: 20, maxMs: 500 } as const

type Request = Extract<ToControl, { type: 'wake' | 'why' }>
type Pending = { readonly request: Request; readonly resolve: (reason: string | undefined) => void; readonly reject: (error: Error) => void }

export function createLink({ folder, table, signal, log }: LinkOptions): Link {
  const pending = new Map<number, Pending>()
  let wire: Wire<ToControl> | undefined
  let socket: Socket | undefined
  let timer: NodeJS.Timeout | undefined
  let failures = 0
  let lastId = 0
  let isSynced = false
  const { promise: whenSynced, resolve: setSynced, reject: giveUp } = Promise.withResolvers<void>()
  whenSynced.catch(() => undefined)
  signal.addEventListener('abort', () => giveUp(signal.reason), { once: true })
  let port: number | undefined
  let servedBy = 'bramble'
  let isOn = false
  /** What was sent of each function last, so that only news go out. */
  let sentLoads = new WeakMap<FunctionSeries, { changes: number; waiting: number }>()
  let sentSeries = new WeakMap<FunctionSeries, number>()

  const onMessage = (message: ToDataPath): void => {
    if (message.type === 'route') {
      table().apply(message.change)
    } else if (message.type === 'routes') {
      const known = new Set(message.routes.map(({ ref }) => serviceName(ref)))
      for (const { ref } of [...table().targets()]) if (!known.has(serviceName(ref))) table().apply({ ref, route: undefined })
      for (const change of message.routes) table().apply(change)
      servedBy = message.servedBy
      isSynced = true
      setSynced()
    } else {
      const one = pending.get(message.id)
      pending.delete(message.id)
      if (message.error !== undefined) {
        const { code, message: text } = message.error
        one?.reject(new BrambleError(code ?? 'UNAVAILABLE', text))
      } else {
        one?.resolve(message.reason)
      }
    }
  }

  const sayHello = (): void => wire?.send({ type: 'hello', pid: process.pid, port })
  const open = (): void => {
    const created = connect(join(folder, MESSAGES_SOCKET))
    socket = created
    created.on('connect', () => {
      if (failures > 0) log.info('control process is there again')
      failures = 0
      sentLoads = new WeakMap()
      sentSeries = new WeakMap()
      wire = createWire<ToDataPath, ToControl>(created, onMessage)
      sayHello()
      for (const { request } of pending.values()) wire.send(request)
    })
    created.on('error', (error) => {
      if (failures === 1 && !hasCode(error, 'ENOENT')) log.warn('control process is out of reach', { error })
    })
    created.on('close', () => {
      wire = undefined
      if (isOn) timer = setTimeout(open, Math.max(RECONNECT.firstMs, backoffMs(++failures, RECONNECT)))
    })
  }

  const ask = (type: Request['type'], ref: FunctionRef): Promise<string | undefined> => new Promise((resolve, reject) => {
    const request: Request = { type, id: ++lastId, ref }
    pending.set(request.id, { request, resolve, reject })
    wire?.send(request)
  })

  const sendLoads = (): void => {
    if (wire === undefined) return
    const nowMs = performance.now()
    const loads = []
    for (const { series, waiting } of table().targets()) {
      // Of a thousand functions a few have news: for the others nothing is made.
      const changes = changesOf(series)
      const sent = sentLoads.get(series)
      if (sent === undefined) sentLoads.set(series, { changes, waiting: waiting.size })
      else if (sent.changes === changes && sent.waiting === waiting.size) continue
      else Object.assign(sent, { changes, waiting: waiting.size })
      loads.push(loadOf(series, waiting.size, nowMs))
    }
    if (loads.length > 0) wire.send({ type: 'loads', loads })
  }

  const sendSeries = (): void => {
    if (wire === undefined) return
    const news = []
    for (const { series } of table().targets()) {
      const mark = changesOf(series)
      if (sentSeries.get(series) === mark) continue
      sentSeries.set(series, mark)
      news.push(plain(series))
    }
    wire.send({
      type: 'series', series: news,
      process: { cpuSeconds: cpuSeconds(), residentBytes: process.memoryUsage.rss() },
    })
  }

  const onError = (error: unknown): void => log.warn('numbers could not be sent', { error })
  const loops = [
    createLoop({ everyMs: LOADS_EVERY_MS, round: sendLoads, onError }),
    createLoop({ everyMs: SERIES_EVERY_MS, round: sendSeries, onError }),
  ]

  return {
    isSynced: () => isSynced,
    synced: () => whenSynced,
    listening(taken) {
      port = taken
      sayHello()
    },
    servedBy: () => servedBy,
    drained: (instance) => wire?.send({ type: 'drained', instance }),
    announced: (secret, host) => wire?.send({ type: 'announced', secret, host }),
    async wake(ref) { await ask('wake', ref) },
    whyNotReady: (ref) => (wire === undefined ? Promise.resolve('the control process is away') : ask('why', ref)),
    async start() {
      if (isOn) return
      isOn = true
      open()
      for (const loop of loops) await loop.start()
    },
    async stop() {
      isOn = false
      clearTimeout(timer)
      for (const loop of loops) await loop.stop()
      // The last numbers: a process that ends in peace takes none with it.
      sendLoads()
      sendSeries()
      wire?.close()
      socket?.destroySoon()
      for (const { reject } of pending.values()) reject(new BrambleError('UNAVAILABLE', 'the gateway is stopping'))
      pending.clear()
    },
  }
}

/** Grows with each call that begins and with each that ends. */
function changesOf({ started, inFlight }: FunctionSeries): number {
  return started * 2 - inFlight
}
