/** The real platform as users start it, in a process of its own with a data folder of its own, and its REST API. */
import { spawn } from 'node:child_process'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '../kit.ts'
import { childrenOf, environmentOf } from './measure.ts'
import { endProcess } from './server.ts'

export const ROOT = join(import.meta.dirname, '../..')
/** As `npm start` starts it; the floor and http-proxy are started the same way. */
export const NODE_ARGS: readonly string[] = ['--max-semi-space-size=2', '--no-concurrent-recompilation']
/** The bench deploys by itself, through the API. */
const EMPTY_STACK = 'version: 1.0\nprovider:\n  name: openfaas\nfunctions: {}\n'
const START_LIMIT_MS = 20_000
const READY_LIMIT_MS = 20_000
/** Longer than the platform's own drain time. */
const END_LIMIT_MS = 40_000

export type Deployment = {
  readonly service: string
  /** The bundle's name when it is another. */
  readonly bundle?: string
  readonly envVars?: Readonly<Record<string, string>>
  readonly labels?: Readonly<Record<string, string>>
}

/** A function's process, found under the platform's. */
export type ReplicaProcess = { readonly pid: number; readonly url: string }

export type Platform = AsyncDisposable & {
  readonly pid: number
  readonly url: string
  readonly metricsUrl: string
  readonly dataDir: string
  /** A call of the API with the right password; anything but 2xx throws. */
  request(method: string, path: string, body?: unknown): Promise<Response>
  /** Creates or changes the function, as `faas-cli` does it: PUT, then POST when there is none. */
  deploy(deployment: Deployment): Promise<void>
  scale(service: string, replicas: number): Promise<void>
  /** Waits until so many replicas are ready to answer. */
  ready(service: string, replicas?: number): Promise<void>
  replicas(service: string): readonly ReplicaProcess[]
  /** What it has written to its output so far. */
  output(): string
}

export async function startPlatform(options: {
  readonly functionsDir?: string
  readonly node?: string
  readonly nodeArgs?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
} = {}): Promise<Platform> {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-bench-'))
  // Functions may run under users of their own, who must reach their rooms in it.
  await chmod(folder, 0o755)
  await writeFile(join(folder, 'stack.yml'), EMPTY_STACK)
  const [port, metricsPort] = [await freePort(), await freePort()]
  const functionsDir = options.functionsDir ?? join(ROOT, 'dist/functions')
  const child = spawn(
    options.node ?? process.execPath, [...options.nodeArgs ?? NODE_ARGS, join(ROOT, 'dist/bramble.mjs'), 'start', '--skip-build'], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env['PATH'], port: String(port), metrics_port: String(metricsPort),
        data_dir: join(folder, 'data'), functions_dir: functionsDir, ...options.env,
      },
    })
  let output = ''
  const keep = (chunk: Buffer): void => { output = (output + chunk.toString()).slice(-MAX_OUTPUT) }
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  const end = async (): Promise<void> => {
    await endProcess(child, END_LIMIT_MS)
    await rm(folder, { recursive: true, force: true })
  }
  const url = `http://127.0.0.1:${port}`
  try {
    await eventually('the platform is up', async () => {
      if (child.exitCode !== null) throw new Error(`the platform ended with ${child.exitCode}:\n${output}`)
      return (await fetch(`${url}/healthz`).catch(() => undefined))?.ok
    }, START_LIMIT_MS)
  } catch (error) {
    await end()
    throw error
  }
  const password = (await readFile(join(folder, 'data/basic-auth-password'), 'utf8')).trim()
  const authorization = `Basic ${Buffer.from(`admin:${password}`).toString('base64')}`
  const pid = child.pid ?? 0

  const request = async (method: string, path: string, body?: unknown): Promise<Response> => {
    const response = await send(method, path, body)
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
    return response
  }
  const send = (method: string, path: string, body?: unknown): Promise<Response> => fetch(url + path, {
    method, headers: { authorization }, ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })

  return {
    pid, url, metricsUrl: `http://127.0.0.1:${metricsPort}`, dataDir: join(folder, 'data'), request,
    async deploy({ service, bundle = service, envVars = {}, labels = {} }) {
      const body = { service, image: `bench/${bundle}:1`, envVars, labels, annotations: {} }
      const response = await send('PUT', '/system/functions', body)
      if (response.status === 404) await request('POST', '/system/functions', body)
      else if (!response.ok) throw new Error(`deploy ${service}: ${response.status} ${await response.text()}`)
    },
    async scale(service, replicas) {
      await request('POST', `/system/scale-function/${service}`, { serviceName: service, replicas })
    },
    async ready(service, replicas = 1) {
      await eventually(`${service} has ${replicas} replicas`, async () => {
        const status: unknown = await (await request('GET', `/system/function/${service}`)).json()
        return typeof status === 'object' && status !== null && 'availableReplicas' in status &&
          status.availableReplicas === replicas
      }, READY_LIMIT_MS)
    },
    replicas: (service) => childrenOf(pid)
      .map((one) => ({ pid: one, environment: environmentOf(one) }))
      .filter(({ environment }) => environment['OPENFAAS_NAME'] === service)
      .map(({ pid: one, environment }) => ({ pid: one, url: `http://127.0.0.1:${environment['port']}` })),
    output: () => output,
    [Symbol.asyncDispose]: end,
  }
}

/** As much of the platform's output as is kept to explain a failure. */
const MAX_OUTPUT = 200_000

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
