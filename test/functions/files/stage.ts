/** The files service beside the data service, both bundled and run as the platform does it, with people whose tokens a key of the test signs. */
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { eventually, test } from '../../kit.ts'
import { bundleFunction, type LogLine, spawnFunction, startFunction } from '../../start-function.ts'

export const ISSUER = 'http://auth.test'
export const AUDIENCE = 'bramble'

export type Reply = { readonly status: number; readonly headers: Headers; readonly bytes: Buffer; readonly body: Record<string, unknown> }
export type CallOptions = {
  /** `ada`, if nothing is said; empty: none. */
  readonly token?: string
  readonly bytes?: Uint8Array | string
  readonly json?: unknown
  readonly headers?: Readonly<Record<string, string>>
}
/** What the service has posted to the gateway. */
export type Hook = { readonly path: string; readonly callId: unknown; readonly authorization: string | undefined; readonly body: Record<string, unknown> }

export type Stage = AsyncDisposable & {
  readonly url: () => string
  readonly pid: () => number
  readonly serviceToken: string
  readonly folder: string
  readonly hooks: readonly Hook[]
  /** What the gateway answers to the next posts. */
  hookStatus: number
  logs(): readonly LogLine[]
  metrics(): Promise<string>
  call(method: string, path: string, options?: CallOptions): Promise<Reply>
  tokenOf(person: string, claims?: Claims): Promise<string>
  rows(sql: string): Promise<readonly (readonly unknown[])[]>
  kill(): Promise<void>
  start(env?: Readonly<Record<string, string>>): Promise<void>
}
export type Claims = { readonly issuer?: string; readonly audience?: string; readonly type?: string; readonly lifeSeconds?: number; readonly kid?: string; readonly key?: CryptoKey }

/** `dataEnv` is for the data service. */
export async function startStage(env: Readonly<Record<string, string>> = {}, dataEnv: Readonly<Record<string, string>> = {}): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-files-'))
  const serviceToken = randomBytes(24).toString('hex')
  const secrets = join(folder, 'secrets')
  for (const path of [secrets, join(folder, 'data')]) await mkdir(path)
  await writeFile(join(secrets, 'service-token'), serviceToken)
  await writeFile(join(secrets, 'files-key'), randomBytes(32).toString('hex'))
  const { publicKey, privateKey } = await generateKeyPair('EdDSA', { extractable: true })
  const jwks = JSON.stringify({ keys: [{ ...await exportJWK(publicKey), kid: 'k1', alg: 'EdDSA', use: 'sig' }] })
  const hooks: Hook[] = []
  const state = { hookStatus: 202 }
  const around = await listen((request, text) => {
    if (request.url === '/auth/oauth/jwks') return [200, jwks]
    hooks.push({ path: request.url ?? '', callId: request.headers['x-call-id'], authorization: request.headers.authorization, body: JSON.parse(text) })
    return [state.hookStatus, '']
  })
  const [data, bundle] = await Promise.all([
    startFunction('data', { secret_mount_path: secrets, data_folder: join(folder, 'data'), trust_folder: 'true', ...dataEnv }), bundleFunction('files'),
  ])
  const settings = {
    secret_mount_path: secrets, data_url: data.url, auth_url: `${around.url}/auth`, gateway_url: around.url, issuer: ISSUER,
    volume_path: join(folder, 'volume'), trust_folder: 'true', ...env,
  }
  const startFiles = async (more: Readonly<Record<string, string>>) => {
    const started = spawnFunction(bundle, { ...settings, ...more })
    const ready = await eventually('files is ready', () => {
      if (started.child.exitCode !== null) throw new Error(`files ended: ${JSON.stringify(started.logs())}`)
      return started.logs().find(({ message }) => message === 'ready')
    })
    return { ...started, port: Number(ready['port']), metricsPort: Number(ready['metricsPort']) }
  }
  let files = await startFiles({})
  const before: LogLine[] = []
  const port = files.port
  const url = (): string => `http://127.0.0.1:${files.port}`

  const tokenOf: Stage['tokenOf'] = (person, { issuer = ISSUER, audience = AUDIENCE, type = 'at+jwt', lifeSeconds = 900, kid = 'k1', key = privateKey } = {}) =>
    new SignJWT({ sub: person, jti: randomBytes(8).toString('hex') }).setProtectedHeader({ alg: 'EdDSA', typ: type, kid })
      .setIssuer(issuer).setAudience(audience).setIssuedAt().setExpirationTime(Math.floor(Date.now() / 1000) + lifeSeconds).sign(key)
  const ada = await tokenOf('ada')

  const call: Stage['call'] = async (method, path, { token = ada, bytes, json, headers = {} } = {}) => {
    const body = json === undefined ? bytes : JSON.stringify(json)
    const response = await fetch(path.startsWith('http') ? path : url() + path, {
      method, redirect: 'manual',
      headers: { ...(token !== '' && { authorization: `Bearer ${token}` }), ...(json !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(body !== undefined && { body: typeof body === 'string' ? body : Buffer.from(body) }),
    })
    const got = Buffer.from(await response.arrayBuffer())
    const isJson = /json/.test(response.headers.get('content-type') ?? '')
    return { status: response.status, headers: response.headers, bytes: got, body: isJson && got.length > 0 ? recordIn(JSON.parse(got.toString())) : {} }
  }

  return {
    url, serviceToken, folder, hooks, tokenOf, call,
    pid: () => files.child.pid ?? 0,
    get hookStatus() { return state.hookStatus },
    set hookStatus(status) { state.hookStatus = status },
    logs: () => [...before, ...files.logs()],
    metrics: async () => (await fetch(`http://127.0.0.1:${files.metricsPort}/metrics`)).text(),
    async rows(sql) {
      const reply = await call('POST', `${data.url}/v1/db/files/query`, { token: serviceToken, json: { sql } })
      return listIn(recordIn(listIn(reply.body['results'])[0])['rows']).map(listIn)
    },
    async kill() {
      files.child.kill('SIGKILL')
      await files.exit
      before.push(...files.logs())
    },
    async start(more = {}) { files = await startFiles({ port: String(port), ...more }) },
    async [Symbol.asyncDispose]() {
      files.child.kill('SIGKILL')
      await files.exit
      await data[Symbol.asyncDispose]()
      around.server.close()
      around.server.closeAllConnections()
      for (const path of [bundle, folder]) await rm(path, { recursive: true, force: true })
    },
  }
}

/** One stage for a file, started by the first test that asks. The last test of the file is `end()`. */
export function stageForFile(env: Readonly<Record<string, string>> = {}) {
  let stage: Promise<Stage> | undefined
  return {
    on: (): Promise<Stage> => stage ??= startStage(env),
    end: () => test('nothing failed that should not, and the services end', async () => {
      await using running = await (stage ??= startStage(env))
      const errors = running.logs().filter(({ level }) => level === 'error')
      if (errors.length > 0) throw new Error(JSON.stringify(errors.slice(0, 3)))
    }),
  }
}

async function listen(answer: (request: IncomingMessage, text: string) => readonly [number, string]): Promise<{ readonly server: Server; readonly url: string }> {
  const server = createServer((request, response) => {
    let text = ''
    request.setEncoding('utf8').on('data', (part: string) => { text += part }).on('end', () => {
      const [status, body] = answer(request, text)
      response.writeHead(status).end(body)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return { server, url: `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}` }
}

export function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}

export function recordIn(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {}
}

export function listIn(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}
