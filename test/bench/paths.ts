/** One function, one replica of it, and every way to reach it. */
import type { Path } from './compare.ts'
import { NODE_ARGS, startPlatform, type Platform, type ReplicaProcess } from './platform.ts'
import { startServer, type Server } from './server.ts'

export type Paths = AsyncDisposable & {
  readonly platform: Platform
  readonly replica: ReplicaProcess
  readonly all: readonly Path[]
}

export const DIRECT = 'function directly'
export const FLOOR = 'bare prototype'
export const HTTP_PROXY = 'http-proxy'
export const GATEWAY = 'gateway'

/** Starts the platform, deploys the function, and puts the floor and http-proxy in front of the same replica. */
export async function startPaths(functionsDir: string, service: string): Promise<Paths> {
  const started: AsyncDisposable[] = []
  const end = async (): Promise<void> => {
    for (const one of started.splice(0).reverse()) await one[Symbol.asyncDispose]()
  }
  const keep = <T extends AsyncDisposable>(one: T): T => {
    started.push(one)
    return one
  }
  try {
    const platform = keep(await startPlatform({ functionsDir }))
    await platform.deploy({ service })
    await platform.ready(service)
    const [replica] = platform.replicas(service)
    if (replica === undefined) throw new Error(`no process of ${service} under the platform's ${platform.pid}`)
    const proxy = async (file: string): Promise<Server> => keep(await startServer(file, [replica.url], { nodeArgs: NODE_ARGS }))
    const floor = await proxy('proxy-floor.ts')
    const httpProxy = await proxy('proxy-http-proxy.ts')
    const functionPid = replica.pid
    const all: Path[] = [
      { name: DIRECT, url: `${replica.url}/`, functionPid },
      { name: FLOOR, url: `${floor.url}/`, proxyPid: floor.pid, functionPid },
      { name: HTTP_PROXY, url: `${httpProxy.url}/`, proxyPid: httpProxy.pid, functionPid },
      { name: GATEWAY, url: `${platform.url}/function/${service}`, proxyPid: platform.pid, functionPid },
    ]
    return { platform, replica, all, [Symbol.asyncDispose]: end }
  } catch (error) {
    await end()
    throw error
  }
}
