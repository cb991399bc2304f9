/** A database's thread, from the engine's side. */
import { Worker } from 'node:worker_threads'
import { threadFile } from './database-thread.ts'
import { DataError } from './errors.ts'
import { createHeapShare, giveHeapBack, heapBytes, type HeapBudget } from './heap.ts'
import type { Answer, FromThread, Job, ThreadSettings, ToThread } from './messages.ts'

export type DatabaseThread = {
  /** The bytes are its own afterwards, with all of their buffer. */
  load(bytes: Uint8Array<ArrayBuffer>, offset: number): void
  /** A copy is made: of several records in a row, as one. */
  apply(changes: readonly Uint8Array[]): void
  /** After what was loaded and applied. Answers the size of the file. */
  open(): Promise<number>
  run(jobs: readonly { readonly id: number; readonly job: Job }[]): void
  /** The job that runs, and since when. */
  /** Of the memory that all threads share. */
  heapBytes(): number
  running(): { readonly id: number; readonly sinceMs: number } | undefined
  /** Nothing is told any more once this is called. */
  end(): Promise<void>
}

export type ThreadDeps = {
  readonly name: string
  /** See `sqliteModule`. */
  readonly module: object
  readonly databaseBytes: number
  readonly heaps: HeapBudget
  readonly onAnswers: (answers: readonly Answer[], sizeBytes: number) => void
  /** It ended by itself. */
  readonly onDeath: (error: Error) => void
}

/** The heap of JavaScript in the thread; SQLite's memory and the file lie outside of it. */
const HEAP_MIB = 256
const YOUNG_HEAP_MIB = 4

export function startThread({ name, module, databaseBytes, heaps, onAnswers, onDeath }: ThreadDeps): DatabaseThread {
  const pulse = new SharedArrayBuffer(2 * Float64Array.BYTES_PER_ELEMENT)
  const beat = new Float64Array(pulse)
  const heap = createHeapShare(heaps)
  const workerData: ThreadSettings = { brambleDatabase: name, module, databaseBytes, heap, pulse }
  const worker = new Worker(threadFile, {
    workerData, name: `database ${name}`, resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB, maxYoungGenerationSizeMb: YOUNG_HEAP_MIB },
  })
  let isEnded = false
  let opened: { resolve: (size: number) => void; reject: (error: Error) => void } | undefined

  const die = (error: Error): void => {
    if (isEnded) return
    isEnded = true
    giveHeapBack(heap)
    opened?.reject(error)
    onDeath(error)
  }
  worker.on('message', (message: FromThread) => {
    if (isEnded) return
    if (message.type === 'answers') return onAnswers(message.answers, message.sizeBytes)
    const { failure, sizeBytes } = message
    if (failure === undefined) opened?.resolve(sizeBytes)
    else opened?.reject(new DataError(failure.code, failure.message))
  })
  worker.on('error', die)
  worker.on('exit', (code) => die(new Error(`the thread of database ${name} ended with code ${code}`)))
  const post = (message: ToThread, transfer: readonly ArrayBuffer[] = []): void => worker.postMessage(message, [...transfer])

  return {
    load: (bytes, offset) => post({ type: 'load', bytes, offset }, [bytes.buffer]),
    apply(changes) {
      const all = new Uint8Array(changes.reduce((sum, { length }) => sum + length, 0))
      let at = 0
      for (const one of changes) {
        all.set(one, at)
        at += one.length
      }
      post({ type: 'apply', changes: [all] }, [all.buffer])
    },
    open: () => new Promise((resolve, reject) => {
      if (isEnded) return reject(new Error(`the thread of database ${name} has ended`))
      opened = { resolve, reject }
      post({ type: 'open' })
    }),
    heapBytes: () => heapBytes(heap),
    run: (jobs) => post({ type: 'run', jobs }),
    running() {
      const id = beat[0] ?? 0
      return id === 0 ? undefined : { id, sinceMs: beat[1] ?? 0 }
    },
    async end() {
      isEnded = true
      await worker.terminate()
      giveHeapBack(heap)
    },
  }
}
