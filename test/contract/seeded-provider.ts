/**
 * An implementation of the port in memory whose state is given: fixed replicas, dates, usage and log lines cannot be
 * had otherwise. Behind its routes are real HTTP servers on loopback. It does not know which images exist.
 */
import { createServer, type Server } from 'node:http'
import { BrambleError } from '../../platform/lib/errors.ts'
import { readScaleLabels } from '../../platform/openfaas/labels.ts'
import { serviceName } from '../../platform/openfaas/names.ts'
import { parseDeployment } from '../../platform/openfaas/parse.ts'
import {
  DEFAULT_NAMESPACE, type FunctionRef, type FunctionStatus, type LogMessage, type LogQuery, type Namespace, type Secret,
} from '../../platform/openfaas/types.ts'
import type { Endpoint, Provider, RouteChange } from '../../platform/provider/provider.ts'
import type { Given, GivenLine, Received, Upstream } from './scenario.ts'

export type SeededProvider = Provider & {
  /** What the functions have received so far, in order. */
  readonly received: Received[]
  /** Lets the late lines go to those who follow; their streams end then. */
  releaseLateLogs(): void
  secretValue(name: string, namespace?: string): string | undefined
  /** Another address for a function's only replica, or none. */
  setEndpoints(service: string, endpoints: readonly Endpoint[]): void
}

type Entry = { status: FunctionStatus; endpoints: readonly Endpoint[] }

export function createSeededProvider(given: Given = {}): SeededProvider {
  const functions = new Map<string, Entry>()
  const secrets = new Map<string, Secret>()
  const namespaces = new Map<string, Namespace>([[DEFAULT_NAMESPACE, { name: DEFAULT_NAMESPACE, labels: {}, annotations: {} }]])
  const listeners = new Set<(change: RouteChange) => void>()
  const servers: Server[] = []
  const received: Received[] = []
  const late = Promise.withResolvers<void>()

  for (const namespace of given.namespaces ?? []) namespaces.set(namespace.name, namespace)
  for (const { name, namespace = DEFAULT_NAMESPACE, value } of given.secrets ?? []) {
    secrets.set(serviceName({ name, namespace }), { name, namespace, value: Buffer.from(value) })
  }
  for (const { deployment, replicas = 1, availableReplicas = replicas, createdAt, usage } of given.functions ?? []) {
    const spec = parseDeployment(deployment)
    functions.set(serviceName(spec), {
      status: {
        spec, replicas, availableReplicas, createdAt: createdAt === undefined ? new Date() : new Date(createdAt),
        ...(usage ? { usage } : {}), conditions: [],
      },
      endpoints: [],
    })
  }

  const tell = (ref: FunctionRef): void => {
    const entry = functions.get(serviceName(ref))
    const route = entry && { ref, replicas: entry.status.replicas, endpoints: entry.endpoints }
    for (const listener of listeners) listener({ ref: { name: ref.name, namespace: ref.namespace }, route })
  }
  const find = (ref: FunctionRef): Entry => {
    const entry = functions.get(serviceName(ref))
    if (entry === undefined) throw new BrambleError('NOT_FOUND', `function ${serviceName(ref)} does not exist`)
    return entry
  }
  const checkNamespace = (name: string): void => {
    if (!namespaces.has(name)) throw new BrambleError('NOT_FOUND', `namespace ${name} does not exist`)
  }
  const findSecret = (ref: FunctionRef): Secret => {
    const secret = secrets.get(serviceName(ref))
    if (secret === undefined) throw new BrambleError('NOT_FOUND', `secret ${serviceName(ref)} does not exist`)
    return secret
  }

  return {
    info: { name: 'seeded', orchestration: 'memory' },
    received,
    releaseLateLogs: () => late.resolve(),
    secretValue: (name, namespace = DEFAULT_NAMESPACE) => {
      const secret = secrets.get(serviceName({ name, namespace }))
      return secret && Buffer.from(secret.value).toString()
    },
    setEndpoints(service, endpoints) {
      const entry = functions.get(service)
      if (entry === undefined) throw new Error(`no function ${service}`)
      entry.endpoints = endpoints
      tell(entry.status.spec)
    },

    async start() {
      for (const [service, entry] of functions) {
        const { spec, availableReplicas } = entry.status
        if (availableReplicas === 0) continue
        const server = await listen(service, given.upstreams?.[spec.name], received)
        servers.push(server)
        const address = server.address()
        if (address === null || typeof address === 'string') throw new Error('no port')
        entry.endpoints = Array.from({ length: availableReplicas }, (_, index) =>
          ({ instance: `${service}-${index}`, host: '127.0.0.1', port: address.port }))
      }
    },
    async stop() {
      await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => {
        server.close(resolve)
        server.closeAllConnections()
      })))
    },

    watch(listener) {
      listeners.add(listener)
      for (const { status } of functions.values()) tell(status.spec)
      return () => { listeners.delete(listener) }
    },
    drained: () => undefined,

    async apply(spec) {
      if (!namespaces.has(spec.namespace)) throw new BrambleError('INVALID', `namespace ${spec.namespace} does not exist`)
      for (const name of spec.secrets) {
        if (!secrets.has(serviceName({ name, namespace: spec.namespace }))) {
          throw new BrambleError('INVALID', `secret ${name} does not exist in ${spec.namespace}; create it first`)
        }
      }
      const present = functions.get(serviceName(spec))
      const replicas = present?.status.replicas ?? readScaleLabels(spec.labels).min
      functions.set(serviceName(spec), {
        status: {
          spec, replicas, availableReplicas: present?.status.availableReplicas ?? 0,
          createdAt: present?.status.createdAt ?? new Date(), conditions: [],
        },
        endpoints: present?.endpoints ?? [],
      })
      tell(spec)
    },
    async list(namespace) {
      checkNamespace(namespace)
      return [...functions.values()].map(({ status }) => withoutUsage(status))
        .filter(({ spec }) => spec.namespace === namespace)
        .sort((a, b) => a.spec.name < b.spec.name ? -1 : 1)
    },
    async get(ref, options) {
      const status = functions.get(serviceName(ref))?.status
      return status && !options?.withUsage ? withoutUsage(status) : status
    },
    async scale(ref, replicas) {
      const entry = find(ref)
      entry.status = { ...entry.status, replicas }
      tell(ref)
    },
    async remove(ref) {
      find(ref)
      functions.delete(serviceName(ref))
      tell(ref)
    },
    logs(query, signal) {
      return readLogs(query, signal, given, late.promise, () => { find(query) })
    },

    secrets: {
      async list(namespace) {
        checkNamespace(namespace)
        return [...secrets.values()].filter((secret) => secret.namespace === namespace)
          .sort((a, b) => a.name < b.name ? -1 : 1)
      },
      async create(secret) {
        checkNamespace(secret.namespace)
        if (secrets.has(serviceName(secret))) throw new BrambleError('CONFLICT', `secret ${secret.name} exists already`)
        secrets.set(serviceName(secret), secret)
      },
      async update(secret) {
        findSecret(secret)
        secrets.set(serviceName(secret), secret)
      },
      async remove(ref) {
        findSecret(ref)
        secrets.delete(serviceName(ref))
      },
    },
    namespaces: {
      list: async () => [...namespaces.values()].sort((a, b) => a.name < b.name ? -1 : 1),
      get: async (name) => namespaces.get(name),
      async create(namespace) {
        if (namespaces.has(namespace.name)) throw new BrambleError('CONFLICT', `namespace ${namespace.name} exists already`)
        namespaces.set(namespace.name, namespace)
      },
      async update(namespace) {
        checkNamespace(namespace.name)
        namespaces.set(namespace.name, namespace)
      },
      async remove(name) {
        checkNamespace(name)
        if (name === DEFAULT_NAMESPACE) throw new BrambleError('INVALID', 'the default namespace stays')
        namespaces.delete(name)
        for (const { status: { spec } } of [...functions.values()]) {
          if (spec.namespace !== name) continue
          functions.delete(serviceName(spec))
          tell(spec)
        }
        for (const [key, secret] of secrets) if (secret.namespace === name) secrets.delete(key)
      },
    },
  }
}

function withoutUsage({ usage: _, ...status }: FunctionStatus): FunctionStatus {
  return status
}

async function* readLogs(
  query: LogQuery, signal: AbortSignal, given: Given, late: Promise<void>, check: () => void,
): AsyncGenerator<LogMessage> {
  check()
  const isWanted = (line: GivenLine): boolean => line.name === query.name && line.namespace === query.namespace &&
    (query.since === undefined || Date.parse(line.timestamp) >= query.since.getTime()) &&
    (query.instance === undefined || line.instance === query.instance)
  const stored = (given.logs ?? []).filter(isWanted)
  yield* stored.slice(query.tail === undefined ? 0 : -query.tail).map(toMessage)
  if (!query.follow) return
  const hungUp = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
  await Promise.race([late, hungUp])
  if (!signal.aborted) yield* (given.lateLogs ?? []).filter(isWanted).map(toMessage)
}

function toMessage(line: GivenLine): LogMessage {
  return { ...line, timestamp: new Date(line.timestamp) }
}

/** A function that answers as given, or echoes `METHOD PATH?QUERY`, a line end and the body. */
async function listen(service: string, upstream: Upstream | undefined, received: Received[]): Promise<Server> {
  const server = createServer((req, res) => {
    const chunks: Buffer[] = []
    req.on('data', (chunk: Buffer) => chunks.push(chunk))
    req.on('end', () => {
      const body = Buffer.concat(chunks)
      const method = req.method ?? ''
      const path = req.url ?? ''
      received.push({ function: service, method, path, body: body.toString() })
      if (upstream === undefined) {
        res.writeHead(200, { 'content-type': 'text/plain' })
        res.end(Buffer.concat([Buffer.from(`${method} ${path}\n`), body]))
      } else {
        res.writeHead(upstream.status ?? 200, upstream.headers)
        res.end(upstream.body)
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}
