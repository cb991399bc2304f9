/** The entry of the store's thread. */
import { parentPort, workerData } from 'node:worker_threads'
import { nodeLogFiles } from './log-files.ts'
import type { StoreSettings } from './messages.ts'
import { serveStore } from './serve-store.ts'

if (parentPort !== null) serveStore(parentPort, workerData as StoreSettings, nodeLogFiles)
