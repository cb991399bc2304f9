/** An embedded queue in a folder that goes again. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLog, type Log } from '../../platform/lib/log.ts'
import { createAsyncCalls } from '../../platform/queue/accept.ts'
import { createCallbackSender } from '../../platform/queue/callback.ts'
import { createEmbeddedQueue, type EmbeddedQueueDeps } from '../../platform/queue/embedded/queue.ts'
import type { AsyncCalls, Queue } from '../../platform/queue/queue.ts'

export type EmbeddedWorld = AsyncDisposable & {
  readonly queue: Queue
  readonly dataDir: string
  readonly lines: Record<string, unknown>[]
  restart(): Promise<Queue>
  /** One more on the same folder, not yet started; stopped in the end. */
  another(): Queue
}

export type TemporaryFolder = AsyncDisposable & { readonly path: string }

export async function makeFolder(): Promise<TemporaryFolder> {
  const path = await mkdtemp(join(tmpdir(), 'bramble-queue-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

export function keepLog(): { readonly log: Log; readonly lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = []
  return { lines, log: createLog({ level: 'debug', write: (line) => { lines.push(JSON.parse(line)) } }) }
}

export async function openEmbedded(more: Partial<EmbeddedQueueDeps> = {}): Promise<EmbeddedWorld> {
  const folder = await makeFolder()
  const { log, lines } = keepLog()
  const make = (): Queue => createEmbeddedQueue({ dataDir: join(folder.path, 'data'), log, ...more })
  const others: Queue[] = []
  let queue = make()
  await queue.start()
  return {
    queue, lines, dataDir: join(folder.path, 'data'),
    async restart() {
      await queue.stop()
      queue = make()
      await queue.start()
      return queue
    },
    another() {
      const other = make()
      others.push(other)
      return other
    },
    async [Symbol.asyncDispose]() {
      for (const one of [queue, ...others]) await one.stop()
      await folder[Symbol.asyncDispose]()
    },
  }
}

/** What the gateway asks of it, without anybody who works it off. */
export function callsOver(queue: Queue, bodyLimitBytes = 1_000): AsyncCalls {
  return createAsyncCalls({
    queue, bodyLimitBytes, callbacks: createCallbackSender({ allowedHosts: ['gateway:8080'], timeoutMs: 1_000 }),
    dispatch: { cancel: async (callId) => { await queue.cancel(callId) } },
  })
}
