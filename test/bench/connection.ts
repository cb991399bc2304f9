/** One keep-alive connection with one call on it at a time, over a raw socket: cheap, and strict about the answer. */
import { connect } from 'node:net'
import { createResponseReader, type Answer } from './response-reader.ts'

export type Outcome = { readonly answer: Answer } | { readonly failure: string }

export type Connection = {
  /** Sends the call and calls back exactly once. Only when the one before is over. */
  call(done: (outcome: Outcome) => void): void
  /** Whether another call may be sent. */
  isOpen(): boolean
  close(): void
}

export type ConnectionOptions = {
  readonly host: string
  readonly port: number
  readonly method: string
  /** The whole request, head and body. */
  readonly request: Buffer
  readonly timeoutMs: number
}

export async function openConnection(options: ConnectionOptions): Promise<Connection> {
  const { host, port, method, request, timeoutMs } = options
  const socket = connect({ host, port, noDelay: true })
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  const reader = createResponseReader(method)
  let done: ((outcome: Outcome) => void) | undefined
  let reason = ''

  const settle = (outcome: Outcome): void => {
    const callback = done
    done = undefined
    callback?.(outcome)
  }
  const fail = (failure: string): void => {
    socket.destroy()
    settle({ failure })
  }
  socket.setTimeout(timeoutMs, () => { if (done !== undefined) fail('no answer in time') })
  socket.on('data', (chunk: Buffer) => {
    try {
      if (done === undefined) throw new Error('bytes without a call')
      const answer = reader.push(chunk)
      if (answer === undefined) return
      if (answer.isLast) socket.destroy()
      settle({ answer })
    } catch (error) {
      fail(`broken answer: ${error instanceof Error ? error.message : String(error)}`)
    }
  })
  socket.on('end', () => {
    const answer = reader.end()
    socket.destroy()
    if (answer !== undefined) settle({ answer })
  })
  socket.on('error', (error) => { reason = 'code' in error ? `${String(error.code)}, ` : '' })
  socket.on('close', () => fail(`${reason}closed ${reader.isInside() ? 'inside' : 'before'} the answer`))

  return {
    call(callback) {
      done = callback
      socket.write(request)
    },
    isOpen: () => !socket.destroyed && !socket.readableEnded,
    close: () => socket.destroy(),
  }
}
