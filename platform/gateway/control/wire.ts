/** JSON lines over a socket. Both ends are of one build, so a line that is no message ends the connection. */
import type { Socket } from 'node:net'

export type Wire<Out> = {
  send(message: Out): void
  close(): void
}

/** A line longer than this is no message of ours: a thousand functions with ten replicas are 1 MB. */
const MAX_LINE_BYTES = 64 * 1024 * 1024

export function createWire<In, Out>(socket: Socket, onMessage: (message: In) => void): Wire<Out> {
  let pending: string[] = []
  let pendingLength = 0
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => {
    const lines = chunk.split('\n')
    const last = lines.pop() ?? ''
    for (const line of lines) {
      const text = pending.length === 0 ? line : pending.join('') + line
      pending = []
      pendingLength = 0
      try {
        onMessage(JSON.parse(text) as In)
      } catch (cause) {
        socket.destroy(new Error('a message could not be read', { cause }))
        return
      }
    }
    if (last === '') return
    pending.push(last)
    pendingLength += last.length
    if (pendingLength > MAX_LINE_BYTES) socket.destroy(new Error('a message has no end'))
  })
  return {
    send: (message) => { if (socket.writable) socket.write(`${JSON.stringify(message)}\n`) },
    close: () => { socket.end() },
  }
}
