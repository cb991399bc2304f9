/** Debian's docker-registry on a free loopback port: with TLS from a throwaway authority, a password, limits, as a test needs it. */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { eventually } from '../kit.ts'

export type RegistryServer = AsyncDisposable & {
  /** `127.0.0.1:PORT`, as in image references. */
  readonly name: string
  readonly port: number
  /** Of the authority that made its certificate. */
  readonly caFile: string
  /** Docker's `config.json` with the right password. */
  readonly authFile: string
  /** A folder that goes with it, for a test's own files. */
  readonly folder: string
  /** Everything it has written so far. */
  readonly log: () => string
  /** Requests it has answered, as `METHOD /path STATUS`. */
  readonly requests: () => readonly string[]
  stop(): Promise<void>
  /** Again on the same port with the same data. */
  restart(): Promise<void>
  /** Its storage, spoilt or measured by a test. */
  readonly dataFolder: string
}

export type RegistryServerOptions = {
  readonly isTls?: boolean
  readonly hasPassword?: boolean
  readonly isDeletable?: boolean
  /** It takes the tokens of this server instead of passwords. */
  readonly tokens?: { readonly realm: string; readonly certificateFile: string }
  /** Where it keeps its blobs; a folder of its own otherwise. */
  readonly dataFolder?: string
}

export const USER = 'pusher'
/** Of tokens. */
export const SERVICE = 'the registry of a test'
export const ISSUER = 'the token server of a test'
export const PASSWORD = 'correct horse: battery staple'
const run = promisify(execFile)

export async function startRegistry(options: RegistryServerOptions = {}): Promise<RegistryServer> {
  const { isTls = false, hasPassword = false, isDeletable = true } = options
  const folder = await mkdtemp(join(tmpdir(), 'bramble-registry-'))
  const dataFolder = options.dataFolder ?? join(folder, 'data')
  const port = await freePort()
  const name = `127.0.0.1:${port}`
  const at = (file: string): string => join(folder, file)
  await mkdir(dataFolder, { recursive: true })
  if (isTls) await makeCertificate(folder)
  await writeFile(at('config.json'), JSON.stringify({ auths: { [name]: { auth: Buffer.from(`${USER}:${PASSWORD}`).toString('base64') } } }))
  if (hasPassword) await writeFile(at('htpasswd'), (await run('htpasswd', ['-Bbn', USER, PASSWORD])).stdout)
  await writeFile(at('registry.yml'), JSON.stringify({
    version: '0.1',
    log: { level: 'info' },
    storage: { filesystem: { rootdirectory: dataFolder }, delete: { enabled: isDeletable } },
    http: { addr: name, secret: 'of this test', ...(isTls ? { tls: { certificate: at('server.pem'), key: at('server.key') } } : {}) },
    ...(options.tokens ? { auth: { token: { realm: options.tokens.realm, service: SERVICE, issuer: ISSUER, rootcertbundle: options.tokens.certificateFile } } } : {}),
    ...(hasPassword ? { auth: { htpasswd: { realm: 'test', path: at('htpasswd') } } } : {}),
  }))

  let log = ''
  let child: ChildProcess | undefined
  const start = async (): Promise<void> => {
    const started = child = spawn('docker-registry', ['serve', at('registry.yml')], { stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [started.stdout, started.stderr]) stream?.on('data', (chunk: Buffer) => { log += chunk.toString() })
    const from = log.length
    await eventually('the registry listens', () => {
      if (started.exitCode !== null) throw new Error(`docker-registry ended:\n${log}`)
      return log.slice(from).includes('listening on')
    })
  }
  const stop = async (): Promise<void> => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const closed = once(child, 'close')
    child.kill('SIGKILL')
    await closed
  }
  await start()
  return {
    name, port, folder, dataFolder, caFile: at('ca.pem'), authFile: at('config.json'), stop,
    log: () => log,
    requests: () => [...log.matchAll(/"(GET|HEAD|POST|PUT|PATCH|DELETE) (\S+) HTTP\/1\.1" (\d+)/g)].map(([, method, path, status]) => `${method} ${path} ${status}`),
    async restart() {
      await stop()
      await start()
    },
    async [Symbol.asyncDispose]() {
      await stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** The file of a blob in a registry's storage. */
export async function storedBlobs(server: Pick<RegistryServer, 'dataFolder'>): Promise<readonly string[]> {
  const root = join(server.dataFolder, 'docker/registry/v2/blobs')
  const files = await readdir(root, { recursive: true }).catch(() => [])
  return files.filter((file) => file.endsWith('/data')).map((file) => `sha256:${file.split('/').at(-2)}`).sort()
}

async function makeCertificate(folder: string): Promise<void> {
  const openssl = (...args: readonly string[]) => run('openssl', args, { cwd: folder })
  await writeFile(join(folder, 'names.cnf'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n')
  await openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=throwaway', '-keyout', 'ca.key', '-out', 'ca.pem')
  await openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', '/CN=registry', '-keyout', 'server.key', '-out', 'server.csr')
  await openssl('x509', '-req', '-in', 'server.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'names.cnf', '-out', 'server.pem')
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  return address.port
}
