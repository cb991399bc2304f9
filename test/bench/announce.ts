/** Listens on a free loopback port and says which on the first line of the output, for `startServer`. */
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** As many as will wait when a load opens all its connections at once. */
const BACKLOG = 1024

export function announce(server: Server): void {
  server.listen({ port: 0, host: '127.0.0.1', backlog: BACKLOG }, () => {
    console.log((server.address() as AddressInfo).port)
  })
}
