/** Remote write of Prometheus (0.1.0): every moment, as Protocol Buffers under Snappy, in order; what cannot be sent waits for a while. */
import type { Log } from '@bramble/runtime'
import { bytesField, doubleField, varintField } from '../push/protobuf.ts'
import { snap } from '../push/snappy.ts'
import { labelsIn, type Sample } from './series.ts'

export type RemoteWrite = {
  push(timeMs: number, samples: readonly Sample[]): void
  stop(): Promise<void>
  stats(): { readonly sent: number; readonly dropped: number; readonly waiting: number }
}

export type RemoteWriteDeps = { readonly url: string; readonly authorization: string | undefined; readonly log: Log }

const TIMEOUT_MS = 20_000
/** Moments that wait: ten minutes at the usual pace. */
const MAX_WAITING = 40
const FIRST_RETRY_MS = 1000
const MAX_RETRY_MS = 30_000
const MAX_ERROR_LENGTH = 200

export function createRemoteWrite({ url, authorization, log }: RemoteWriteDeps): RemoteWrite {
  const waiting: { readonly body: Buffer; readonly count: number }[] = []
  const stopped = new AbortController()
  let running: Promise<void> | undefined
  let [sent, dropped, wasDown] = [0, 0, false]

  /** Whether it is done with: a refusal for good is, too. */
  const send = async (body: Buffer): Promise<'sent' | 'refused' | 'later'> => {
    try {
      const answer = await fetch(url, {
        method: 'POST', body: new Uint8Array(body), signal: AbortSignal.any([AbortSignal.timeout(TIMEOUT_MS), stopped.signal]),
        headers: {
          'content-type': 'application/x-protobuf', 'content-encoding': 'snappy', 'x-prometheus-remote-write-version': '0.1.0', 'user-agent': 'bramble-monitor/0.1.0',
          ...(authorization !== undefined && { authorization }),
        },
      })
      const words = (await answer.text()).slice(0, MAX_ERROR_LENGTH)
      if (answer.ok) return 'sent'
      const isLater = answer.status === 429 || answer.status >= 500
      if (!isLater || !wasDown) log.warn('remote write was refused', { status: answer.status, reason: words })
      return isLater ? 'later' : 'refused'
    } catch (error) {
      if (!wasDown && !stopped.signal.aborted) log.warn('remote write cannot be sent', { error })
      return 'later'
    }
  }
  const work = async (): Promise<void> => {
    for (let failures = 0; !stopped.signal.aborted;) {
      const [first] = waiting
      if (first === undefined) return
      const outcome = await send(first.body)
      if (outcome === 'later') {
        wasDown = true
        const pause = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** failures++)
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, pause)
          stopped.signal.addEventListener('abort', () => { clearTimeout(timer); resolve() }, { once: true })
        })
        continue
      }
      wasDown = false
      failures = 0
      // It may have been pushed out meanwhile.
      if (waiting[0] === first) waiting.shift()
      if (outcome === 'sent') sent += first.count
      else dropped += first.count
    }
  }
  return {
    push(timeMs, samples) {
      waiting.push({ body: snap(writeRequest(timeMs, samples)), count: samples.length })
      while (waiting.length > MAX_WAITING) dropped += waiting.shift()?.count ?? 0
      running ??= work().finally(() => { running = undefined })
    },
    async stop() {
      stopped.abort()
      await running
    },
    stats: () => ({ sent, dropped, waiting: waiting.length }),
  }
}

/** WriteRequest of Prometheus' remote.proto. */
export function writeRequest(timeMs: number, samples: readonly Sample[]): Buffer {
  return Buffer.concat(samples.map(({ key, value }) => {
    const labels = Object.entries(labelsIn(key)).sort(([one], [other]) => one < other ? -1 : 1)
    return bytesField(1, Buffer.concat([
      ...labels.map(([name, text]) => bytesField(1, Buffer.concat([bytesField(1, Buffer.from(name)), bytesField(2, Buffer.from(text))]))),
      bytesField(2, Buffer.concat([doubleField(1, value), varintField(2, BigInt(Math.trunc(timeMs)))])),
    ]))
  }))
}
