/** Ports for replicas: below the range of outgoing connections, seen free by binding, each one long unused. */
import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'
import { BrambleError } from '../../lib/errors.ts'

export type Ports = {
  /** `UNAVAILABLE` when the whole range is taken. */
  take(): Promise<number>
  giveBack(port: number): void
}

/**
 * Ports are given out in turn, so one that was given back is not used again before all others were: a late
 * connection to a replica that is gone does not reach another function.
 */
export function createPorts({ first, last }: { first: number; last: number }): Ports {
  const taken = new Set<number>()
  let next = randomInt(first, last + 1)

  return {
    async take() {
      for (let tries = first; tries <= last; tries++) {
        const port = next
        next = next === last ? first : next + 1
        if (taken.has(port)) continue
        taken.add(port)
        if (await isFree(port)) return port
        taken.delete(port)
      }
      throw new BrambleError('UNAVAILABLE', `all ports from ${first} to ${last} are taken: remove functions or end other programs`)
    },
    giveBack(port) { taken.delete(port) },
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)))
  })
}
