/**
 * NATS JetStream as the queue's yardstick: a server with file storage that syncs every message (`sync_interval: always`),
 * and as many connections as asked, each publishing when it has the acknowledgement of the message before.
 */
import { spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { endProcess } from './server.ts'
import { eventually } from '../kit.ts'

export type JetStream = AsyncDisposable & {
  readonly pid: number
  /** Acknowledged messages a second. */
  publish(options: { readonly connections: number; readonly bodyBytes: number; readonly seconds: number }): Promise<number>
}

const START_LIMIT_MS = 20_000
const STREAM = 'bench'

export async function startJetStream(program: string, folder: string, port: number): Promise<JetStream> {
  const config = join(folder, 'nats.conf')
  await writeFile(config, `listen: 127.0.0.1:${port}\njetstream { store_dir: "${join(folder, 'nats')}", sync_interval: always, max_file_store: 8GB }\n`)
  const child = spawn(program, ['-c', config], { stdio: 'ignore' })
  const client = await eventually('the NATS server is up', () => openClient(port).catch(() => undefined), START_LIMIT_MS)
  const created = await client.request(`$JS.API.STREAM.CREATE.${STREAM}`, Buffer.from(JSON.stringify({ name: STREAM, subjects: [STREAM], storage: 'file', retention: 'workqueue' })))
  if (created.includes('"error"')) throw new Error(`the stream cannot be made: ${created}`)
  client.close()
  return {
    pid: child.pid ?? 0,
    async publish({ connections, bodyBytes, seconds }) {
      const clients = await Promise.all(Array.from({ length: connections }, () => openClient(port)))
      const body = Buffer.alloc(bodyBytes, 'x')
      const startMs = performance.now()
      const endMs = startMs + seconds * 1000
      let acknowledged = 0
      await Promise.all(clients.map(async (one) => {
        while (performance.now() < endMs) {
          const answer = await one.request(STREAM, body)
          if (answer.includes('"error"')) throw new Error(`not acknowledged: ${answer}`)
          acknowledged++
        }
        one.close()
      }))
      return acknowledged * 1000 / (performance.now() - startMs)
    },
    [Symbol.asyncDispose]: () => endProcess(child),
  }
}

type Client = { request(subject: string, body: Buffer): Promise<string>; close(): void }

let clients = 0

/** The few words of the NATS protocol that publishing needs: INFO, CONNECT, SUB, PUB, MSG, PING. */
async function openClient(port: number): Promise<Client> {
  const socket: Socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  const inbox = `_INBOX.${process.pid}.${clients++}`
  let received = ''
  let answer: ((text: string) => void) | undefined
  socket.on('error', () => undefined)
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1')
    for (;;) {
      const line = received.indexOf('\r\n')
      if (line < 0) return
      const head = received.slice(0, line)
      const length = head.startsWith('MSG ') ? Number(head.slice(head.lastIndexOf(' ') + 1)) : -1
      if (length >= 0 && received.length < line + 4 + length) return
      if (length >= 0) answer?.(received.slice(line + 2, line + 2 + length))
      if (head === 'PING') socket.write('PONG\r\n')
      received = received.slice(length >= 0 ? line + 4 + length : line + 2)
    }
  })
  socket.write(`CONNECT {"verbose":false}\r\nSUB ${inbox} 1\r\n`)
  return {
    request: (subject, body) => new Promise((resolve) => {
      answer = resolve
      socket.write(Buffer.concat([Buffer.from(`PUB ${subject} ${inbox} ${body.length}\r\n`), body, Buffer.from('\r\n')]))
    }),
    close: () => socket.destroy(),
  }
}
