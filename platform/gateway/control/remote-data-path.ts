/** A process of the data path: calls of functions by itself, all else through the control process. */
import type { Log } from '../../lib/log.ts'
import type { Part } from '../../lib/parts.ts'
import { createDataPath, type DataPathLimits } from '../data-path.ts'
import { createLink } from './link.ts'
import { createRelay } from './relay.ts'

export type RemoteDataPathOptions = {
  readonly host: string
  readonly port: number
  readonly isShared: boolean
  readonly limits: DataPathLimits
  /** Shared with the control process. */
  readonly folder: string
  /** Ends the wait for the control process. */
  readonly signal: AbortSignal
  readonly log: Log
}

export type RemoteDataPath = Part & {
  port(): number
  /** Knows all routes and takes calls. */
  isReady(): boolean
}

export function createRemoteDataPath({ host, port, isShared, limits, folder, signal, log }: RemoteDataPathOptions): RemoteDataPath {
  const relay = createRelay(folder)
  const isReady = (): boolean => dataPath.isListening() && link.isSynced()
  const link = createLink({ folder, table: () => dataPath.table, signal, log })
  const dataPath = createDataPath({
    host, port, isShared, limits, log, servedBy: link.servedBy, waker: link, onDrained: link.drained, onAnnounced: link.announced,
    other(req, res) {
      // It is this process that takes calls: it answers for itself, also while the control process is away.
      if (req.url !== '/healthz' || (req.method !== 'GET' && req.method !== 'HEAD')) return relay.handle(req, res)
      const text = isReady() ? 'OK' : 'not ready'
      res.writeHead(isReady() ? 200 : 503, { 'content-type': 'text/plain; charset=utf-8', 'content-length': text.length }).end(text)
    },
  })
  return {
    port: () => dataPath.port(),
    isReady,
    async start() {
      // Who listens is called: not before all routes are known.
      await link.start()
      await link.synced()
      await dataPath.start()
      link.listening(dataPath.port())
    },
    async stop() {
      await dataPath.stop()
      await link.stop()
      relay.close()
    },
  }
}
