/** Plays the data path in tests of a provider: keeps the routes, calls replicas, says which are drained. */
import { get } from 'node:http'
import { serviceName } from '../../platform/openfaas/names.ts'
import { DEFAULT_NAMESPACE } from '../../platform/openfaas/types.ts'
import type { Endpoint, Provider, Route, RouteChange } from '../../platform/provider/provider.ts'
import { eventually } from '../kit.ts'

export type DataPath = {
  readonly changes: RouteChange[]
  route(name: string, namespace?: string): Route | undefined
  endpoints(name: string, namespace?: string): readonly Endpoint[]
  /** Waits until so many replicas take calls. */
  ready(name: string, count?: number, namespace?: string): Promise<readonly Endpoint[]>
  /** What a replica answers. */
  call(name: string, path: string, namespace?: string): Promise<string>
  /** Whether replicas that leave are said to be drained, once the calls on them are over. */
  isDraining: boolean
  readonly left: Endpoint[]
  stop(): void
}

/** Plays the gateway: keeps the routes, and says of each replica that left one when no call is on it. */
export function createDataPath(provider: Provider): DataPath {
  const routes = new Map<string, Route>()
  const changes: RouteChange[] = []
  const left: Endpoint[] = []
  const calls = new Map<string, number>()
  const drainedUnlessCalled = ({ instance }: Endpoint): void => {
    if (path.isDraining && !calls.get(instance)) provider.drained(instance)
  }
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
      const { instance } = endpoint
      calls.set(instance, (calls.get(instance) ?? 0) + 1)
      try {
        return await ask(endpoint, target)
      } finally {
        calls.set(instance, (calls.get(instance) ?? 0) - 1)
        if (left.includes(endpoint)) drainedUnlessCalled(endpoint)
      }
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
      drainedUnlessCalled(endpoint)
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
