/** A WebSocket echo. */
import type { ListenerHandler } from '@bramble/runtime'
import { WebSocketServer } from 'ws'

const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false })
sockets.on('connection', (socket) => {
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
})

const handler: ListenerHandler = {
  listener: (_request, response) => response.writeHead(426).end('speak WebSocket'),
  upgrade: (request, socket, head) => sockets.handleUpgrade(request, socket, head, (one) => sockets.emit('connection', one, request)),
}

export default handler
