import * as assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { cases, eventually } from '../../kit.ts'
import { readForm } from '../../../functions/files/content/form.ts'

const closed = (request: IncomingMessage): Promise<void> => new Promise((resolve) => request.once('close', resolve))

cases('a form whose caller hung up is refused', [
  { name: 'before it is read', bytes: 1000, async read(request: IncomingMessage) { await closed(request); await readForm(request, async () => undefined) } },
  // More than the file and the form hold, so that the end of it waits in the request.
  { name: 'after its last byte came, and before that was read', bytes: 180_000, read: (request: IncomingMessage) => readForm(request, async ({ body }) => {
    await closed(request)
    for await (const chunk of body) assert.ok(chunk.length > 0)
  }) },
], async ({ bytes, read }) => {
  let failure: unknown
  const server = createServer((request) => void read(request).catch((error: unknown) => { failure = error })).listen(0, '127.0.0.1')
  try {
    await once(server, 'listening')
    const form = `--b\r\ncontent-disposition: form-data; name="f"; filename="f.txt"\r\n\r\n${'x'.repeat(bytes)}\r\n--b--\r\n`
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    socket.end(`POST / HTTP/1.1\r\nhost: a\r\ncontent-type: multipart/form-data; boundary=b\r\ncontent-length: ${form.length}\r\n\r\n${form}`)
    await eventually('it is refused', () => failure !== undefined, 5000)
    assert.match(String(failure), /ends too early/)
  } finally {
    server.close()
    server.closeAllConnections()
  }
})
