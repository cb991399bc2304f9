/** redis-server from Debian as a child process, one connection to it, and webdis, which serves it over HTTP: the comparisons of the cache. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '../kit.ts'
import { endProcess } from './server.ts'

export type Redis = AsyncDisposable & {
  readonly pid: number
  readonly port: number
  /** Writes so many keys with values of so many bytes, many commands at once. */
  fill(keyOf: (index: number) => string, count: number, valueBytes: number): Promise<void>
}

const FILL_AT_ONCE = 1_000

/** In memory only: nothing is written to disk. `undefined` where redis-server is not installed. */
export async function startRedis(): Promise<Redis | undefined> {
  const port = await freePort()
  const child = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'], { stdio: 'ignore' })
  const started = await Promise.race([once(child, 'spawn').then(() => true), once(child, 'error').then(() => false)])
  if (!started) return undefined
  await eventually('redis answers', () => call(port, commandOf('PING'), 1).then(() => true, () => false))
  return {
    pid: child.pid ?? 0, port,
    async fill(keyOf, count, valueBytes) {
      const value = 'x'.repeat(valueBytes)
      for (let first = 0; first < count; first += FILL_AT_ONCE) {
        const many = Math.min(FILL_AT_ONCE, count - first)
        await call(port, Buffer.concat(Array.from({ length: many }, (_, i) => commandOf('SET', keyOf(first + i), value))), many)
      }
    },
    [Symbol.asyncDispose]: () => endProcess(child),
  }
}

export type Webdis = AsyncDisposable & { readonly pid: number; readonly url: string }

/** In front of redis, on connections that stay open. `undefined` where webdis is not installed. */
export async function startWebdis(redis: Redis): Promise<Webdis | undefined> {
  const port = await freePort()
  const folder = await mkdtemp(join(tmpdir(), 'bramble-webdis-'))
  const file = join(folder, 'webdis.json')
  await writeFile(file, JSON.stringify({
    redis_host: '127.0.0.1', redis_port: redis.port, http_host: '127.0.0.1', http_port: port, threads: 1, pool_size: 20, daemonize: false, verbosity: 0,
    logfile: join(folder, 'log'),
  }))
  const child = spawn('webdis', [file], { stdio: 'ignore' })
  const end = async (): Promise<void> => {
    await endProcess(child)
    await rm(folder, { recursive: true })
  }
  if (!await Promise.race([once(child, 'spawn').then(() => true), once(child, 'error').then(() => false)])) {
    await rm(folder, { recursive: true })
    return undefined
  }
  const url = `http://127.0.0.1:${port}`
  await eventually('webdis answers', () => fetch(`${url}/PING`).then(({ ok }) => ok, () => false))
  return { pid: child.pid ?? 0, url, [Symbol.asyncDispose]: end }
}

/** As the protocol (RESP2) has a command: a list of texts. */
export function commandOf(...words: readonly string[]): Buffer {
  return Buffer.from(`*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`)
}

/** Sends the commands on a connection of their own; each is answered with one line. */
function call(port: number, commands: Buffer, lines: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(commands))
    let text = ''
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      if (text.includes('-ERR')) socket.destroy(new Error(text.slice(0, 100)))
      else if (text.split('\r\n').length > lines) socket.end()
    })
    socket.on('error', reject)
    socket.on('close', () => resolve())
  })
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
