/** The store's thread, which dies when it is asked to keep a call of that name. */
import { parentPort, workerData } from 'node:worker_threads'
import { nodeLogFiles } from '../../platform/queue/embedded/log-files.ts'
import type { StoreSettings } from '../../platform/queue/embedded/messages.ts'
import { serveStore } from '../../platform/queue/embedded/serve-store.ts'

parentPort?.on('message', (requests: unknown) => {
  if (JSON.stringify(requests).includes('"callId":"die"')) process.exit(1)
})
if (parentPort !== null) serveStore(parentPort, workerData as StoreSettings, nodeLogFiles)
