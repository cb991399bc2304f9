/** Debian's containerd with a root, a state and a socket of its own: pulls images and runs them with runc. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { mediaTypes } from '../../platform/image/oci.ts'
import { parseImageConfig, parseIndex, parseManifest } from '../../platform/image/parse-oci.ts'
import { eventually } from '../kit.ts'
import { hostPlatform } from './own-bases.ts'
import { PASSWORD, USER, type RegistryServer } from './registry-server.ts'

export type Containerd = AsyncDisposable & {
  /** A command of `ctr`; answers what it printed. */
  ctr(...args: readonly string[]): Promise<string>
  /** From a registry with TLS and a password. */
  pull(server: RegistryServer, image: string, architecture: string): Promise<void>
  /** The images of an archive, for this machine. */
  import(file: string): Promise<void>
  /** As the image's user, and with a root that nothing can write to; answers when it is ready. */
  run(image: string, options?: ContainerOptions): Promise<Container>
  /** What an image answers to one call. */
  answer(image: string, path: string): Promise<string>
}

export type ContainerOptions = {
  /** Another than this machine's runs under qemu. */
  readonly architecture?: string
  readonly env?: Readonly<Record<string, string>>
  /** For a program that does not log `ready` with its port: ready is what answers 200 here. */
  readonly service?: { readonly port: number; readonly path: string }
  /** Folders that are there to be written to, for this run. */
  readonly scratchFolders?: readonly string[]
}

export type Container = AsyncDisposable & {
  readonly url: string
  /** Of its first process, on this machine. */
  readonly pid: number
  /** From before it was made until it said that it is ready. */
  readonly startMs: number
  /** What its own Node says of a script. */
  evaluate(script: string): Promise<string>
}

const execute = promisify(execFile)
/** Under qemu, beside other tests. */
const START_LIMIT_MS = 120_000
/** Of Debian's qemu-user-static; what runs under it needs nothing registered with the kernel. */
const emulators: Readonly<Record<string, string>> = { arm64: '/usr/bin/qemu-aarch64-static', amd64: '/usr/bin/qemu-x86_64-static' }
/** Where an emulator is in a container. */
const EMULATOR = '/qemu'
/** Started by us, with nothing of Kubernetes and nothing outside of its folder. */
const unusedPlugins = [
  'io.containerd.grpc.v1.cri', 'io.containerd.internal.v1.opt', 'io.containerd.internal.v1.tracing', 'io.containerd.tracing.processor.v1.otlp',
]

export async function startContainerd(): Promise<Containerd> {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-containerd-'))
  const at = (name: string): string => join(folder, name)
  const quoted = (value: string | readonly string[]): string => JSON.stringify(value)
  await writeFile(at('config.toml'), [
    'version = 2', `root = ${quoted(at('root'))}`, `state = ${quoted(at('state'))}`, `disabled_plugins = ${quoted(unusedPlugins)}`,
    '[grpc]', `address = ${quoted(at('socket'))}`, '[ttrpc]', `address = ${quoted(at('ttrpc'))}`,
  ].join('\n'))
  const daemon = spawn('containerd', ['--config', at('config.toml')], { stdio: ['ignore', 'pipe', 'pipe'] })
  let log = ''
  for (const stream of [daemon.stdout, daemon.stderr]) stream.on('data', (chunk: Buffer) => { log += chunk.toString() })
  const closed = once(daemon, 'close')
  const ctr = async (...args: readonly string[]): Promise<string> =>
    (await execute('ctr', ['--address', at('socket'), '--namespace', 'bramble', ...args])).stdout
  await eventually('containerd answers', () => {
    if (daemon.exitCode !== null) throw new Error(`containerd ended:\n${log}`)
    return ctr('version').catch(() => undefined)
  }, START_LIMIT_MS)
  // Some machines' disks cannot be overlaid.
  const hasOverlay = /\boverlayfs\b.*\bok\b/.test(await ctr('plugins', 'list'))
  const snapshotter = ['--snapshotter', hasOverlay ? 'overlayfs' : 'native']
  let count = 0

  const containerd: Containerd = {
    ctr,
    async pull(server, image, architecture) {
      const host = at(join('hosts', server.name))
      await mkdir(host, { recursive: true })
      const address = quoted(`https://${server.name}`)
      await writeFile(join(host, 'hosts.toml'), `server = ${address}\n[host.${address}]\nca = ${quoted(server.caFile)}\n`)
      await ctr('images', 'pull', ...snapshotter, '--platform', `linux/${architecture}`, '--hosts-dir', at('hosts'), '--user', `${USER}:${PASSWORD}`, image)
    },
    async import(file) {
      await ctr('images', 'import', ...snapshotter, file)
    },
    async run(image, options = {}) {
      const { architecture = hostPlatform.architecture, env = {}, service, scratchFolders = [] } = options
      const isForeign = architecture !== hostPlatform.architecture
      const id = `test-${++count}`
      const settings = { host: '127.0.0.1', port: '0', metrics_port: '0', shutdown_grace: '0s', ...env }
      const began = performance.now()
      const child = spawn('ctr', [
        '--address', at('socket'), '--namespace', 'bramble', 'run', '--rm', ...snapshotter, '--platform', `linux/${architecture}`,
        '--net-host', '--read-only', '--pid-file', at(`${id}.pid`),
        ...Object.entries(settings).flatMap(([name, value]) => ['--env', `${name}=${value}`]),
        ...scratchFolders.flatMap((path) => ['--mount', `type=tmpfs,src=tmpfs,dst=${path},options=mode=1777`]),
        ...(isForeign ? ['--mount', `type=bind,src=${emulators[architecture]},dst=${EMULATOR},options=rbind:ro`] : []),
        image, id, ...(isForeign ? [EMULATOR, ...await commandOf(ctr, image, architecture)] : []),
      ], { stdio: ['ignore', 'pipe', 'pipe'] })
      const lines: string[] = []
      let readyPort: unknown
      for (const stream of [child.stdout, child.stderr]) {
        createInterface({ input: stream }).on('line', (line) => {
          lines.push(line)
          readyPort ??= portOf(line)
        })
      }
      const isReady = async (): Promise<unknown> => {
        if (child.exitCode !== null) throw new Error(`the container of ${image} ended with ${child.exitCode}:\n${lines.join('\n')}`)
        if (service === undefined) return readyPort
        const answer = await fetch(`http://127.0.0.1:${service.port}${service.path}`).catch(() => undefined)
        return answer?.status === 200 && service.port
      }
      const ended = once(child, 'close')
      const stop = async (): Promise<void> => {
        await ctr('task', 'kill', '--signal', 'SIGKILL', id).catch(() => undefined)
        await ended
      }
      try {
        const port = await eventually(`${image} is ready in a container`, isReady, START_LIMIT_MS)
        const startMs = performance.now() - began
        let scripts = 0
        return {
          url: `http://127.0.0.1:${String(port)}`,
          pid: Number(await readFile(at(`${id}.pid`), 'utf8')),
          startMs,
          evaluate: async (script) => (await ctr('task', 'exec', '--exec-id', `script-${++scripts}`, id, '/usr/local/bin/node', '-e', script)).trim(),
          [Symbol.asyncDispose]: stop,
        }
      } catch (error) {
        await stop()
        throw error
      }
    },
    async answer(image, path) {
      await using container = await containerd.run(image)
      return (await fetch(container.url + path)).text()
    },
    async [Symbol.asyncDispose]() {
      daemon.kill('SIGTERM')
      await closed
      await rm(folder, { recursive: true, force: true })
    },
  }
  return containerd
}

/** What the image would start, with the path of its program: qemu looks nowhere. */
async function commandOf(ctr: Containerd['ctr'], image: string, architecture: string): Promise<readonly string[]> {
  const read = async (digest: string): Promise<unknown> => JSON.parse(await ctr('content', 'get', digest))
  const [top = ''] = /sha256:[0-9a-f]{64}/.exec(await ctr('images', 'list', `name==${image}`)) ?? []
  const { manifests } = parseIndex(await read(top), image, mediaTypes.index)
  const found = manifests.find(({ platform }) => platform?.architecture === architecture)
  const { config } = parseManifest(await read(found?.digest ?? ''), image, mediaTypes.manifest)
  const [program, ...rest] = parseImageConfig(await read(config.digest), image).config.Cmd ?? []
  return [`/usr/local/bin/${program}`, ...rest]
}

/** Of the line that says that a function is ready. */
function portOf(line: string): unknown {
  try {
    const { message, port }: { readonly message?: unknown; readonly port?: unknown } = JSON.parse(line)
    return message === 'ready' ? port : undefined
  } catch {
    return undefined
  }
}
