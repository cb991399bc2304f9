/** Bytes through: one attempt of one call at one replica, streamed both ways with back-pressure. */
import { Readable } from 'node:stream'
// Not from the package's top, which loads fetch, caches and WebSockets too: 7 MB.
import Pool from 'undici/lib/dispatcher/pool.js'
import type { Dispatcher } from 'undici'
import { BrambleError, hasCode, reasonOf } from '../lib/errors.ts'
import { urlOf } from '../lib/url.ts'
import type { Call } from './call.ts'
import type { Deadlines } from './deadlines.ts'
import { responseHeaders } from './headers.ts'
import type { Replica } from './table.ts'

export type ForwarderOptions = {
  /** How long a replica may take to begin its answer, and pause within it. */
  readonly upstreamTimeoutMs: number
  readonly writeTimeoutMs: number
  readonly bodyLimitBytes: number
  readonly deadlines: Deadlines
}

/** How an attempt ended: the answer went out, or why it did not. */
export type Outcome =
  | { readonly kind: 'answered'; readonly status: number }
  /** Part of the answer had gone out: the connection was cut so that the caller notices. */
  | { readonly kind: 'cut'; readonly status: number; readonly error: Error }
  /** No byte of an answer came. `mayHaveRun` is false when the replica never got the request. */
  | { readonly kind: 'failed'; readonly error: Error; readonly mayHaveRun: boolean }

export type Forward = (call: Call, replica: Replica, onEnd: (outcome: Outcome) => void) => void

/** `path:2,4 1/0,1,2`: the affinity, the place of this replica, those of all. */
const PLACE_HEADER = 'X-Bramble-Place'
const CONNECT_TIMEOUT_MS = 2_000
/** Connections to one replica; calls beyond wait in its pool. */
const MAX_CONNECTIONS_PER_REPLICA = 1_024
/** Shorter than the runtime's own limit, so that the gateway closes first and no call meets a closing connection. */
const IDLE_CONNECTION_MS = 30_000

/** Up to this size an answer is copied into one text with its head: one plain write costs less than a gathered one. */
const ONE_WRITE_BYTES = 4_096

export function createForward(options: ForwarderOptions): Forward {
  const { upstreamTimeoutMs, writeTimeoutMs, bodyLimitBytes, deadlines } = options

  const poolOf = new WeakMap<Replica, Pool>()
  const open = (replica: Replica): Pool => {
    const { host, port } = replica.endpoint
    const pool = new Pool(urlOf(host, port), {
      connections: MAX_CONNECTIONS_PER_REPLICA,
      pipelining: 1,
      allowH2: false,
      headersTimeout: upstreamTimeoutMs,
      bodyTimeout: upstreamTimeoutMs,
      keepAliveTimeout: IDLE_CONNECTION_MS,
      keepAliveMaxTimeout: IDLE_CONNECTION_MS,
      connect: { timeout: CONNECT_TIMEOUT_MS },
    })
    replica.close = () => {
      poolOf.delete(replica)
      pool.close().catch(() => pool.destroy())
    }
    replica.cut = (reason) => {
      poolOf.delete(replica)
      void pool.destroy(reason)
    }
    poolOf.set(replica, pool)
    return pool
  }

  return (call, replica, onEnd) => {
    const { res } = call
    let controller: Dispatcher.DispatchController | undefined
    let status = 0
    let bodyLength = -1
    let seenBytes = 0
    let hasWritten = false
    let isEnded = false

    const end = (outcome: Outcome): void => {
      if (isEnded) return
      isEnded = true
      call.upstream = undefined
      onEnd(outcome)
    }
    const onDrain = (): void => {
      deadlines.clear(call)
      controller?.resume()
    }

    const body = call.isStreamed ? readBody(call, bodyLimitBytes) : call.body

    const handler: Dispatcher.DispatchHandler = {
      onRequestStart(started) {
        controller = started
        call.upstream = started
        if (call.abortReason !== undefined) started.abort(call.abortReason)
      },
      onResponseStart(_controller, code, received) {
        if (code < 200) return
        status = code
        replica.heard++
        const length = received['content-length']
        bodyLength = typeof length === 'string' ? Number(length) : -1
        res.writeHead(code, responseHeaders(code, received, call.answerHeaders, call.contentType))
        if (bodyLength < 0) process.nextTick(flushHead)
      },
      onResponseData(_controller, chunk) {
        hasWritten = true
        replica.heard++
        seenBytes += chunk.length
        if (seenBytes === bodyLength) {
          if (chunk.length <= ONE_WRITE_BYTES) res.end(chunk.toString('latin1'), 'latin1')
          else res.end(chunk)
        } else if (!res.write(chunk)) {
          controller?.pause()
          deadlines.set(call, writeTimeoutMs, () => res.destroy(new Error('the caller does not read the answer')))
          res.once('drain', onDrain)
        }
      },
      onResponseEnd() {
        hasWritten = true
        if (!res.writableEnded) res.end()
        end({ kind: 'answered', status })
      },
      onResponseError(_controller, error) {
        deadlines.clear(call)
        if (status !== 0) {
          res.destroy()
          end({ kind: 'cut', status, error: translate(error, replica) })
        } else {
          end({ kind: 'failed', error: translate(error, replica), mayHaveRun: controller !== undefined })
        }
      },
    }
    const flushHead = (): void => {
      if (!hasWritten && !isEnded && !res.writableEnded) res.flushHeaders()
    }

    try {
      const pool = poolOf.get(replica) ?? open(replica)
      const headers = replica.placeText === undefined ? call.headers : [...call.headers, PLACE_HEADER, replica.placeText]
      pool.dispatch({ path: call.path, method: call.method as Dispatcher.HttpMethod, headers, body: body ?? null }, handler)
    } catch (error) {
      end({ kind: 'failed', error: translate(error, replica), mayHaveRun: false })
    }
  }
}

/**
 * A body in passing. The client library destroys the body it was given when an attempt fails; the request itself must
 * live on, to be sent elsewhere or answered. So it gets this, and bytes are taken only when it asks for them.
 */
function readBody(call: Call, limitBytes: number): Readable {
  const { req } = call
  const body = new Readable({
    read: () => { req.resume() },
    destroy(error, done) {
      req.off('data', onData).off('end', onEnd).off('close', onClose)
      req.pause()
      done(error)
    },
  })
  const onData = (chunk: Buffer): void => {
    call.takenBytes += chunk.length
    if (call.takenBytes > limitBytes) {
      body.destroy(new BrambleError('TOO_LARGE', `the request body is larger than ${limitBytes} bytes (body_limit)`))
    } else if (!body.push(chunk)) {
      req.pause()
    }
  }
  const onEnd = (): void => { body.push(null) }
  const onClose = (): void => { if (!req.complete) body.destroy(new Error('the caller hung up')) }
  req.on('data', onData).on('end', onEnd).on('close', onClose)
  req.pause()
  return body
}

function translate(error: unknown, replica: Replica): Error {
  if (error instanceof BrambleError) return error
  const name = replica.endpoint.instance
  if (hasCode(error, 'UND_ERR_HEADERS_TIMEOUT') || hasCode(error, 'UND_ERR_BODY_TIMEOUT')) {
    return new BrambleError('TIMEOUT', `replica ${name} did not answer in time (upstream_timeout)`, { cause: error })
  }
  return new BrambleError('UPSTREAM', `replica ${name} cannot be reached or gave a broken answer: ${reasonOf(error)}`, { cause: error })
}
