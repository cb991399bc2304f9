/** The store's thread on a disk whose every fsync takes half a second, like an old SD card. */
import { parentPort, workerData } from 'node:worker_threads'
import { nodeLogFiles, type LogFile } from '../../platform/queue/embedded/log-files.ts'
import type { StoreSettings } from '../../platform/queue/embedded/messages.ts'
import { serveStore } from '../../platform/queue/embedded/serve-store.ts'

const SYNC_MS = 500
const cell = new Int32Array(new SharedArrayBuffer(4))

function slow(file: LogFile): LogFile {
  return {
    ...file,
    sync() {
      Atomics.wait(cell, 0, 0, SYNC_MS)
      file.sync()
    },
  }
}

if (parentPort !== null) {
  serveStore(parentPort, workerData as StoreSettings, {
    ...nodeLogFiles, create: (path) => slow(nodeLogFiles.create(path)), open: (path) => slow(nodeLogFiles.open(path)),
  })
}
