/** A running data service with a volume and a token, and calls to it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '../../kit.ts'
import { bundleFunction, type LogLine, spawnFunction } from '../../start-function.ts'

export const SERVICE_TOKEN = 'service-token-of-the-test-0123456789'

export type Reply = { readonly status: number; readonly headers: Headers; readonly body: Record<string, unknown> }

export type CallOptions = { readonly token?: string; readonly headers?: Readonly<Record<string, string>> }

export type RunningData = { readonly url: string; readonly metricsUrl: string; readonly pid: number; logs(): LogLine[]; kill(): Promise<void> }

export type DataFunction = AsyncDisposable & {
  readonly running: () => RunningData
  /** JSON there and back; a body that is none comes as `{ text }`. */
  call(method: string, path: string, body?: unknown, options?: CallOptions): Promise<Reply>
  /** Bytes there, the answer as it is. */
  send(method: string, path: string, body?: Uint8Array, options?: CallOptions): Promise<Response>
  /** Kills the process and starts another one on the same volume. */
  restart(): Promise<void>
}

export async function startData(env: Readonly<Record<string, string>> = {}): Promise<DataFunction> {
  const [folder, bundle] = await Promise.all([mkdtemp(join(tmpdir(), 'bramble-data-')), bundleFunction('data')])
  await writeFile(join(folder, 'service-token'), `${SERVICE_TOKEN}\n`)
  const remove = async (): Promise<void> => {
    for (const path of [folder, bundle]) await rm(path, { recursive: true, force: true })
  }
  const settings = { secret_mount_path: folder, volume_path: join(folder, 'volume'), ...env }
  let running = await startBundle(bundle, settings).catch(async (error: unknown) => {
    await remove()
    throw error
  })

  const send: DataFunction['send'] = (method, path, body, { token = SERVICE_TOKEN, headers = {} } = {}) => fetch(running.url + path, {
    method, headers: { ...(token !== '' && { authorization: `Bearer ${token}` }), ...headers }, ...(body !== undefined && { body: Buffer.from(body) }),
  })
  return {
    running: () => running,
    send,
    async call(method, path, body, options = {}) {
      const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify(body))
      const headers = { ...(bytes !== undefined && { 'content-type': 'application/json' }), ...options.headers }
      const response = await send(method, path, bytes, { ...options, headers })
      const text = await response.text()
      const isJson = /json/.test(response.headers.get('content-type') ?? '')
      return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : { text } }
    },
    async restart() {
      await running.kill()
      running = await startBundle(bundle, settings)
    },
    async [Symbol.asyncDispose]() {
      await running.kill()
      await remove()
    },
  }
}

async function startBundle(bundle: string, env: Record<string, string>): Promise<RunningData> {
  const { child, exit, logs } = spawnFunction(bundle, env)
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await exit
  }
  try {
    const ready = await eventually('the data service is ready', () => {
      if (child.exitCode !== null) throw new Error(`the data service ended with ${child.exitCode}: ${JSON.stringify(logs())}`)
      return logs().find(({ message }) => message === 'ready')
    })
    const at = (port: unknown): string => `http://127.0.0.1:${Number(port)}`
    return { url: at(ready['port']), metricsUrl: `${at(ready['metricsPort'])}/metrics`, pid: child.pid ?? 0, logs, kill }
  } catch (error) {
    await kill()
    throw error
  }
}
