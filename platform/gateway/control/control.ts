/** The gateway seen from the control process, when the data path runs in processes of its own. */
import { chmod, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { join } from 'node:path'
import { BrambleError } from '../../lib/errors.ts'
import { cpuSeconds } from '../../metrics/cpu-seconds.ts'
import type { Gateway, GatewayOptions } from '../gateway.ts'
import { createApi } from '../server.ts'
import { urlOf } from '../../lib/url.ts'
import { createHub, type Hub } from './hub.ts'
import { REQUESTS_SOCKET } from './messages.ts'

export type ControlOptions = Omit<GatewayOptions, 'limits'> & {
  /** Shared with the data path. */
  readonly folder: string
  readonly readTimeoutMs: number
  readonly shutdownTimeoutMs: number
}

/** Unix keeps the path of a socket in 108 bytes, the last of them 0. */
const MAX_SOCKET_PATH_BYTES = 107
/** Heads come from the data path, which has read them under its own limits. */
const MAX_HEADER_BYTES = 32_768

export type Control = Gateway & Pick<Hub, 'connected'>

export function createControl(options: ControlOptions): Control {
  const { provider, credentials, host, port, folder, version, log } = options
  const path = join(folder, REQUESTS_SOCKET)
  const hub = createHub({ provider, waker: options.waker, servedBy: `bramble/${version.release}`, folder, log })
  const api = createApi({
    provider, credentials, version, log, metrics: options.metrics, alert: options.alert, asyncCalls: options.asyncCalls, queue: options.queue, find: hub.find, schedules: options.schedules,
    readTimeoutMs: options.readTimeoutMs,
    isReady: () => server !== undefined,
    invocationCount: (service) => hub.numbers.finished(service),
  })
  let server: Server | undefined

  return {
    url: () => urlOf(host, hub.port() ?? port),
    isReady: () => server !== undefined,
    connected: hub.connected,
    snapshot() {
      const dataPath = hub.numbers.process()
      return {
        functions: hub.numbers.series(),
        services: Array.from(hub.routes(), ({ ref, route }) => ({
          name: `${ref.name}.${ref.namespace}`, replicas: route?.replicas ?? 0, ready: route?.endpoints.length ?? 0,
        })),
        system: api.series(),
        process: {
          cpuSeconds: cpuSeconds() + dataPath.cpuSeconds,
          residentBytes: process.memoryUsage.rss() + dataPath.residentBytes,
          startedAtSeconds: performance.timeOrigin / 1000,
        },
      }
    },
    loads: () => hub.numbers.loads(performance.now()),
    async start() {
      if (server !== undefined) return
      if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES) {
        throw new BrambleError('INVALID', `${path} is too long for a socket (${MAX_SOCKET_PATH_BYTES} bytes); set control_dir to a shorter folder`)
      }
      await api.start()
      await hub.start()
      await rm(path, { force: true })
      const created = createServer({ maxHeaderSize: MAX_HEADER_BYTES, requestTimeout: 0 }, api.handle)
      await new Promise<void>((resolve, reject) => created.once('error', reject).listen(path, resolve))
      await chmod(path, 0o600)
      server = created
    },
    async stop() {
      const stopping = server
      server = undefined
      if (stopping !== undefined) {
        const closed = new Promise<void>((resolve) => { stopping.close(() => resolve()) })
        const timer = setTimeout(() => stopping.closeAllConnections(), options.shutdownTimeoutMs)
        stopping.closeIdleConnections()
        await closed
        clearTimeout(timer)
      }
      await hub.stop()
      await api.stop()
    },
  }
}
