/** What the tests of a provider need around it: folders that go again, a data path that drains, calls to replicas. */
import { get } from 'node:http'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLog, type Log } from '../../platform/lib/log.ts'
import { serviceName } from '../../platform/openfaas/names.ts'
import { DEFAULT_NAMESPACE, type FunctionRef, type FunctionSpec } from '../../platform/openfaas/types.ts'
import type { Endpoint, Provider, Route, RouteChange } from '../../platform/provider/provider.ts'
import { createLocalProvider, type LocalProviderDeps } from '../../platform/provider/local/provider.ts'
import { eventually } from '../kit.ts'

export type Folders = AsyncDisposable & { readonly root: string; readonly dataDir: string; readonly functionsDir: string }

export async function makeFolders(): Promise<Folders> {
  const root = await mkdtemp(join(tmpdir(), 'bramble-test-'))
  return {
    root,
    dataDir: join(root, 'data'),
    functionsDir: join(root, 'functions'),
    [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }),
  }
}

/** Everything the platform logs, as parsed lines. */
export function keepLog(): { readonly log: Log; readonly lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = []
  return { lines, log: createLog({ level: 'debug', write: (line) => { lines.push(JSON.parse(line)) } }) }
}

export type Started = AsyncDisposable & { readonly provider: Provider; readonly path: DataPath; readonly lines: Record<string, unknown>[] }

/** A running local provider with a data path that drains at once. */
export async function startLocal(folders: Folders, more: Partial<LocalProviderDeps> = {}): Promise<Started> {
  const { log, lines } = keepLog()
  const provider = createLocalProvider({
    dataDir: folders.dataDir, functionsDir: folders.functionsDir, gatewayUrl: () => 'http://127.0.0.1:8080', log, ...more,
  })
  await provider.start()
  const path = createDataPath(provider)
  return {
    provider, path, lines,
    async [Symbol.asyncDispose]() {
      path.stop()
      await provider.stop()
    },
  }
}

export type DataPath = {
  readonly changes: RouteChange[]
  route(name: string, namespace?: string): Route | undefined
  endpoints(name: string, namespace?: string): readonly Endpoint[]
  /** Waits until so many replicas take calls. */
  ready(name: string, count?: number, namespace?: string): Promise<readonly Endpoint[]>
  /** What a replica answers. */
  call(name: string, path: string, namespace?: string): Promise<string>
  /** Whether replicas that leave are said to be drained at once. */
  isDraining: boolean
  readonly left: Endpoint[]
  stop(): void
}

/** Plays the gateway: keeps the routes, and says of each replica that left one that no call is on it. */
export function createDataPath(provider: Provider): DataPath {
  const routes = new Map<string, Route>()
  const changes: RouteChange[] = []
  const left: Endpoint[] = []
  const path: DataPath = {
    changes,
    left,
    isDraining: true,
    route: (name, namespace = DEFAULT_NAMESPACE) => routes.get(serviceName({ name, namespace })),
    endpoints: (name, namespace) => path.route(name, namespace)?.endpoints ?? [],
    ready: (name, count = 1, namespace) => eventually(`${count} replicas of ${name} are ready`, () => {
      const all = path.endpoints(name, namespace)
      return all.length === count && all
    }),
    async call(name, target, namespace) {
      const endpoint = path.endpoints(name, namespace)[0]
      if (!endpoint) throw new Error(`${name} has no replica`)
      return ask(endpoint, target)
    },
    stop: () => unwatch(),
  }
  const unwatch = provider.watch((change) => {
    changes.push(change)
    const key = serviceName(change.ref)
    const before = routes.get(key)?.endpoints ?? []
    if (change.route) routes.set(key, change.route)
    else routes.delete(key)
    const now = new Set(change.route?.endpoints.map(({ instance }) => instance))
    for (const endpoint of before) {
      if (now.has(endpoint.instance)) continue
      left.push(endpoint)
      if (path.isDraining) provider.drained(endpoint.instance)
    }
  })
  return path
}

/** The body of the answer; rejects when there is none. */
export function ask(endpoint: Endpoint, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ host: endpoint.host, port: endpoint.port, path, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => { text += chunk })
      response.on('end', () => resolve(text))
      response.on('error', reject)
    }).on('error', reject)
  })
}

/** A deployment with nothing special in it. */
export function specOf(name: string, more: Partial<FunctionSpec> = {}): FunctionSpec {
  return {
    name, namespace: DEFAULT_NAMESPACE, image: `registry.local/${name}:1`, envVars: {}, constraints: [], secrets: [],
    labels: {}, annotations: {}, ...more,
  }
}

export function refOf(name: string, namespace = DEFAULT_NAMESPACE): FunctionRef {
  return { name, namespace }
}

/** Whether a process runs: a zombie does not. */
export async function isRunning(pid: number): Promise<boolean> {
  const { readFile } = await import('node:fs/promises')
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  return stat !== undefined && !/\) [ZX] /.test(stat)
}
