/**
 * The entry of a database's thread. In a bundle the thread runs the same file as the service: this module comes first there, and never
 * lets the rest begin.
 */
import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import type { ThreadSettings } from './messages.ts'
import { serveDatabase } from './serve-database.ts'

if (!isMainThread && parentPort !== null && isSettings(workerData)) {
  serveDatabase(parentPort, workerData)
  await new Promise(() => undefined)
}

/** What to give to `new Worker`. */
export const threadFile: string = import.meta.filename

function isSettings(value: unknown): value is ThreadSettings {
  return typeof value === 'object' && value !== null && 'brambleDatabase' in value
}
