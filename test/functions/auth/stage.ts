/** The auth service beside the data service, both bundled and run as the platform does it, with what tests need of them. */
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually, test } from '../../kit.ts'
import { bundleFunction, type Exit, type LogLine, spawnFunction, startFunction } from '../../start-function.ts'

export const PASSWORD = 'the analytical engine weaves'
export const ADMIN = 'admin@bramble.local'

export type Reply = {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** Of JSON; empty for anything else. */
  readonly body: Record<string, unknown>
}

export type CallOptions = {
  readonly token?: string | undefined
  readonly json?: unknown
  readonly form?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
}

export type Tokens = { readonly access: string; readonly refresh: string; readonly session: string }

export type Stage = AsyncDisposable & {
  readonly url: string
  readonly dataUrl: string
  readonly serviceToken: string
  readonly adminPassword: string
  pid(): number
  logs(): readonly LogLine[]
  call(method: string, path: string, options?: CallOptions): Promise<Reply>
  /** Prometheus' text. */
  metrics(): Promise<string>
  /** Of a statement in the database of the service. */
  rows(sql: string): Promise<readonly (readonly unknown[])[]>
  /** The text of the next letter to this address, as the log mailer shows it. */
  letter(to: string): Promise<string>
  /** The code in it. */
  code(to: string): Promise<string>
  /** A new account, verified and logged in. */
  person(email: string, password?: string): Promise<Tokens>
  logIn(email: string, password?: string, more?: Readonly<Record<string, string>>): Promise<Tokens>
  admin(): Promise<string>
  /** Ends the auth service with a signal and starts it again on the same data. */
  restart(signal?: NodeJS.Signals, env?: Readonly<Record<string, string>>): Promise<void>
  /** Another replica on the same data. */
  startTwin(): Promise<AsyncDisposable & { readonly url: string }>
  /** For the next start. */
  setSecret(name: string, value: string): Promise<void>
  /** Ends the auth service as the platform does. */
  stop(): Promise<Exit>
}

/** The cheapest Argon2 that the settings allow: the tests log in some hundred times. */
const quickHashes = { argon2_memory_kib: '7168', argon2_passes: '1' }

export async function startStage(env: Readonly<Record<string, string>> = {}): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-auth-'))
  const serviceToken = randomBytes(24).toString('hex')
  const adminPassword = `Admin-${randomBytes(12).toString('hex')}`
  const secrets = join(folder, 'secrets')
  await mkdir(secrets)
  const keep = { 'service-token': serviceToken, 'auth-key': randomBytes(32).toString('base64'), 'auth-admin-password': adminPassword, 'smtp-password': 'mail secret' }
  for (const [name, value] of Object.entries(keep)) await writeFile(join(secrets, name), value)
  await mkdir(join(folder, 'data'))
  const [data, bundle] = await Promise.all([
    startFunction(process.env['FAKE_DATA'] ?? 'data', { secret_mount_path: secrets, data_folder: join(folder, 'data'), trust_folder: 'true' }),
    bundleFunction('auth'),
  ])
  const settings = { secret_mount_path: secrets, data_url: data.url, ...quickHashes, ...env }
  let auth = await startAuth(bundle, settings)
  let port = auth.port
  const read = new Map<string, number>()

  const call: Stage['call'] = async (method, path, { token, json, form, headers = {} } = {}) => {
    const response = await fetch(path.startsWith('http') ? path : `http://127.0.0.1:${port}${path}`, {
      method, redirect: 'manual',
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(json !== undefined && { 'content-type': 'application/json' }),
        ...(form !== undefined && { 'content-type': 'application/x-www-form-urlencoded' }),
        ...headers,
      },
      ...(json !== undefined && { body: JSON.stringify(json) }),
      ...(form !== undefined && { body: new URLSearchParams(form).toString() }),
    })
    const text = await response.text()
    return { status: response.status, headers: response.headers, text, body: objectIn(response, text) }
  }
  const tokensIn = (reply: Reply): Tokens => {
    if (reply.status !== 200) throw new Error(`no tokens: ${reply.status} ${reply.text}`)
    return { access: String(reply.body['access_token']), refresh: String(reply.body['refresh_token']), session: String(reply.body['session_id']) }
  }
  const logIn: Stage['logIn'] = async (email, password = PASSWORD, more = {}) => tokensIn(await call('POST', '/v1/login', { json: { email, password, ...more } }))
  const letter: Stage['letter'] = async (to) => {
    const found = await eventually(`a letter to ${to}`, () => auth.logs().filter((line) => line['to'] === to && line['text'] !== undefined)[read.get(to) ?? 0])
    read.set(to, (read.get(to) ?? 0) + 1)
    return String(found['text'])
  }
  const code: Stage['code'] = async (to) => /Your code: (\S+)/.exec(await letter(to))?.[1] ?? ''

  return {
    url: `http://127.0.0.1:${port}`,
    dataUrl: data.url,
    serviceToken,
    adminPassword,
    pid: () => auth.pid,
    logs: () => auth.logs(),
    call,
    metrics: async () => (await fetch(`http://127.0.0.1:${auth.metricsPort}/metrics`)).text(),
    async rows(sql) {
      const reply = await call('POST', `${data.url}/v1/db/auth/query`, { token: serviceToken, json: { sql } })
      const [result] = listIn(reply.body['results'])
      return listIn(recordIn(result)['rows']).map(listIn)
    },
    letter,
    code,
    async person(email, password = PASSWORD) {
      const registered = await call('POST', '/v1/register', { json: { email, password, name: 'Ada' } })
      if (registered.status !== 202) throw new Error(`not registered: ${registered.status} ${registered.text}`)
      return tokensIn(await call('POST', '/v1/verify-email', { json: { token: await code(email), password } }))
    },
    logIn,
    admin: async () => (await logIn(ADMIN, adminPassword)).access,
    async restart(signal = 'SIGKILL', more = {}) {
      auth.child.kill(signal)
      await auth.exit
      read.clear()
      auth = await startAuth(bundle, { ...settings, ...more, port: String(port) })
      port = auth.port
    },
    async startTwin() {
      const twin = await startAuth(bundle, settings)
      return {
        url: `http://127.0.0.1:${twin.port}`,
        async [Symbol.asyncDispose]() {
          twin.child.kill('SIGKILL')
          await twin.exit
        },
      }
    },
    setSecret: (name, value) => writeFile(join(secrets, name), value),
    stop() {
      auth.child.kill('SIGTERM')
      return auth.exit
    },
    async [Symbol.asyncDispose]() {
      auth.child.kill('SIGKILL')
      await auth.exit
      await data[Symbol.asyncDispose]()
      await rm(bundle, { recursive: true, force: true })
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/**
 * One stage for a file, started by the first test that asks. The last test of the file is `end()`: a stage costs as much as all the
 * tests on it.
 */
export function stageForFile(env: Readonly<Record<string, string>> = {}) {
  let stage: Promise<Stage> | undefined
  return {
    on: (): Promise<Stage> => stage ??= startStage(env),
    end: () => test('the services end when they are told to', async () => {
      const running = await (stage ??= startStage(env))
      const exit = await running.stop()
      await running[Symbol.asyncDispose]()
      if (exit.code !== 0) throw new Error(`auth ended with ${exit.code ?? exit.signal}: ${JSON.stringify(running.logs().slice(-3))}`)
    }),
  }
}

async function startAuth(bundle: string, env: Record<string, string>) {
  const started = spawnFunction(bundle, env)
  const ready = await eventually('auth is ready', () => {
    if (started.child.exitCode !== null) throw new Error(`auth ended: ${JSON.stringify(started.logs())}`)
    return started.logs().find(({ message }) => message === 'ready')
  })
  return { ...started, port: Number(ready['port']), metricsPort: Number(ready['metricsPort']), pid: started.child.pid ?? 0 }
}

export function recordIn(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {}
}

export function listIn(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function objectIn(response: Response, text: string): Record<string, unknown> {
  return /json/.test(response.headers.get('content-type') ?? '') ? recordIn(JSON.parse(text)) : {}
}

