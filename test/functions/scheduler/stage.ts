/** The scheduler beside the data service, both bundled and run as the platform does it, and something to call. */
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually, test } from '../../kit.ts'
import { bundleFunction, type Exit, type LogLine, spawnFunction, startFunction } from '../../start-function.ts'
import { startTarget, type TargetServer } from './target.ts'

export type Body = Readonly<Record<string, unknown>>
export type Reply = { readonly status: number; readonly headers: Headers; readonly text: string; readonly body: Body }

export type Replica = AsyncDisposable & {
  readonly url: string
  readonly pid: number
  logs(): readonly LogLine[]
  metrics(): Promise<string>
  signal(name: NodeJS.Signals): void
  readonly exit: Promise<Exit>
}

export type Stage = AsyncDisposable & {
  readonly url: string
  readonly dataUrl: string
  readonly serviceToken: string
  readonly target: TargetServer
  readonly first: Replica
  call(method: string, path: string, json?: unknown, headers?: Readonly<Record<string, string>>, token?: string): Promise<Reply>
  /** Answers the id of a job that was made; fails when it was not. */
  job(body: Body): Promise<string>
  /** A function target of the server that remembers. */
  at(path: string): Body
  runs(jobId: string): Promise<readonly Body[]>
  /** The latest run of a job, once it is in this state. */
  run(jobId: string, state: string): Promise<Body>
  rows(sql: string): Promise<readonly (readonly unknown[])[]>
  execute(sql: string): Promise<void>
  /** Another replica on the same data. */
  startReplica(env?: Readonly<Record<string, string>>): Promise<Replica>
  stopData(): void
  continueData(): void
}

export const WEBHOOK_KEY = 'a key of completions, long enough'

export async function startStage(env: Readonly<Record<string, string>> = {}, dataEnv: Readonly<Record<string, string>> = {}): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-scheduler-'))
  const serviceToken = randomBytes(24).toString('hex')
  const secrets = join(folder, 'secrets')
  await mkdir(secrets)
  await mkdir(join(folder, 'data'))
  for (const [name, value] of Object.entries({ 'service-token': serviceToken, 'webhook-key': WEBHOOK_KEY })) await writeFile(join(secrets, name), value)
  const [data, bundle, target] = await Promise.all([
    startFunction('data', { secret_mount_path: secrets, data_folder: join(folder, 'data'), trust_folder: 'true', ...dataEnv }),
    bundleFunction('scheduler'),
    startTarget(),
  ])
  const settings = { secret_mount_path: secrets, data_url: data.url, gateway_url: target.url, lease: '3s', look_every: '1s', ...env }
  const replicas: Replica[] = []
  const startReplica: Stage['startReplica'] = async (more = {}) => {
    const replica = await startScheduler(bundle, { ...settings, ...more })
    replicas.push(replica)
    return replica
  }
  const first = await startReplica()

  const call: Stage['call'] = async (method, path, json, headers = {}, token = serviceToken) => {
    const response = await fetch(path.startsWith('http') ? path : `${first.url}${path}`, {
      method, redirect: 'manual',
      headers: { ...(token !== '' && { authorization: `Bearer ${token}` }), ...(json !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(json !== undefined && { body: JSON.stringify(json) }),
    })
    const text = await response.text()
    return { status: response.status, headers: response.headers, text, body: /json/.test(response.headers.get('content-type') ?? '') ? recordIn(JSON.parse(text)) : {} }
  }
  const runs: Stage['runs'] = async (jobId) => listIn((await call('GET', `/v1/jobs/${jobId}/runs`)).body['items']).map(recordIn)
  const sql = async (kind: string, json: unknown): Promise<Body> => {
    const reply = await call('POST', `${data.url}/v1/db/scheduler/${kind}`, json)
    if (reply.status !== 200) throw new Error(`the data service said ${reply.status} ${reply.text}`)
    return reply.body
  }
  return {
    url: first.url, dataUrl: data.url, serviceToken, target, first, call, runs, startReplica,
    async job(body) {
      const reply = await call('POST', '/v1/jobs', body)
      if (reply.status !== 201) throw new Error(`no job: ${reply.status} ${reply.text}`)
      return String(reply.body['id'])
    },
    at: (path) => ({ function: 'target', path }),
    run: (jobId, state) => eventually(`the run of ${jobId} is ${state}`, async () => (await runs(jobId)).find((one) => one['state'] === state)),
    rows: async (text) => listIn(recordIn(listIn((await sql('query', { sql: text }))['results'])[0])['rows']).map(listIn),
    execute: async (text) => void await sql('execute', { statements: [{ sql: text }] }),
    stopData: () => data.signal('SIGSTOP'),
    continueData: () => data.signal('SIGCONT'),
    async [Symbol.asyncDispose]() {
      data.signal('SIGCONT')
      for (const replica of replicas) await replica[Symbol.asyncDispose]()
      await data[Symbol.asyncDispose]()
      await target[Symbol.asyncDispose]()
      await rm(bundle, { recursive: true, force: true })
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** One stage for a file; its last test is `end()`, for a stage costs as much as all the tests on it. */
export function stageForFile(env: Readonly<Record<string, string>> = {}, dataEnv: Readonly<Record<string, string>> = {}) {
  let stage: Promise<Stage> | undefined
  const on = (): Promise<Stage> => stage ??= startStage(env, dataEnv)
  return {
    on,
    end: () => test('the scheduler ends when it is told to', async () => {
      const running = await on()
      running.first.signal('SIGTERM')
      const exit = await running.first.exit
      const errors = running.first.logs().filter(({ level }) => level === 'error')
      await running[Symbol.asyncDispose]()
      if (exit.code !== 0 || errors.length > 0) throw new Error(`the scheduler ended with ${exit.code ?? exit.signal}: ${JSON.stringify(errors.slice(-3))}`)
    }),
  }
}

async function startScheduler(bundle: string, env: Record<string, string>): Promise<Replica> {
  const { child, exit, logs } = spawnFunction(bundle, { shutdown_grace: '2s', ...env })
  const ready = await eventually('the scheduler is ready', () => {
    if (child.exitCode !== null) throw new Error(`the scheduler ended: ${JSON.stringify(logs())}`)
    return logs().find(({ message }) => message === 'ready')
  })
  return {
    url: `http://127.0.0.1:${Number(ready['port'])}`,
    pid: child.pid ?? 0,
    logs, exit,
    metrics: async () => (await fetch(`http://127.0.0.1:${Number(ready['metricsPort'])}/metrics`)).text(),
    signal: (name) => void child.kill(name),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await exit
    },
  }
}

export function recordIn(value: unknown): Body {
  return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {}
}

export function listIn(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}
