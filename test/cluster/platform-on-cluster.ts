/** The whole platform on a cluster as deploy.yml has it, but for its image and a registry without TLS. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { startText } from '../../platform/image/platform-image.ts'
import { isObject, listAt, objectAt, textAt, type Json } from '../../platform/provider/kubernetes/json.ts'
import { eventually } from '../kit.ts'
import type { Cluster } from './cluster.ts'
import { pushProgram } from './probe-image.ts'

export type PlatformOnCluster = AsyncDisposable & {
  readonly url: string
  readonly user: string
  readonly password: string
  /** A call of the API with the right password, on a connection of its own. */
  send(path: string, method: string, body?: object): Promise<Response>
}

const root = join(import.meta.dirname, '../..')
const START_LIMIT_MS = 240_000
const NODE_PORT = 31112

export type PlatformOptions = {
  readonly replicas?: number
  /** Time limits for calls that take so long, where deploy.yml's own are too short. */
  readonly longestCallSeconds?: number
}

/** What deploy.yml leaves between `shutdown_timeout` and the end of the pod: the pause before it, and the exit. */
const GRACE_SECONDS = 30

/** `dist` is built; what an earlier test left is removed. */
export async function deployPlatform(cluster: Cluster, options: PlatformOptions = {}): Promise<PlatformOnCluster> {
  await removePlatform(cluster)
  const image = await pushPlatform(cluster)
  await cluster.kubectl('label', 'node', 'pi4', 'bramble/platform=true', '--overwrite')
  const objects = parseAllDocuments(await readFile(join(root, 'platform/deploy.yml'), 'utf8')).map((one): unknown => one.toJS()).filter(isObject)
  await cluster.apply(...objects.map((one) => (textAt(one, 'kind') === 'Deployment' ? adapted(one, cluster, image, options) : one)))
  await rolledOut(cluster)
  const secret = await eventually('the password is in its secret', async () => {
    const data = objectAt(await cluster.get('secret', 'basic-auth', '-n', 'openfaas'), 'data')
    return textAt(data, 'basic-auth-password')
  })
  const [user, password] = ['admin', Buffer.from(secret, 'base64').toString()]
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
  const url = `http://${cluster.node('pi4').address}:${NODE_PORT}`
  // kube-proxy learns of the pod a little later.
  await eventually('the door is open', async () => (await fetch(`${url}/healthz`).catch(() => undefined))?.status === 200)
  return {
    url, user, password,
    send: (path, method, body) => fetch(url + path, {
      method, headers: { authorization, connection: 'close' }, ...(body ? { body: JSON.stringify(body) } : {}),
    }),
    [Symbol.asyncDispose]: () => removePlatform(cluster),
  }
}

/** Its pods need not end in peace: nobody calls any more. */
export async function removePlatform(cluster: Cluster): Promise<void> {
  const inside = ['-n', 'openfaas'] as const
  for (const [kind, name] of [['deployment', 'gateway'], ['persistentvolumeclaim', 'bramble-data'], ['secret', 'basic-auth']] as const) {
    await cluster.kubectl(...inside, 'delete', kind, name, '--ignore-not-found', '--wait=false').catch(() => '')
  }
  // While this is there it would make new ones.
  await cluster.kubectl(...inside, 'wait', '--for=delete', 'replicaset', '-l', 'app=gateway', '--timeout=120s')
  await cluster.kubectl(...inside, 'delete', 'pods', '-l', 'app=gateway', '--grace-period=0', '--force', '--wait=true', '--timeout=120s')
  // It goes after the last pod that used it; until then another one of its name cannot be made.
  await cluster.kubectl(...inside, 'wait', '--for=delete', 'persistentvolumeclaim/bramble-data', '--timeout=120s')
}

export async function rolledOut(cluster: Cluster): Promise<void> {
  await cluster.kubectl('-n', 'openfaas', 'rollout', 'status', 'deployment', 'gateway', `--timeout=${START_LIMIT_MS / 1000}s`).catch(async (error: unknown) => {
    throw new Error(`${await cluster.kubectl('-n', 'openfaas', 'describe', 'pods', '-l', 'app=gateway')}\n${await cluster.kubectl('-n', 'openfaas', 'logs', '-l', 'app=gateway', '--all-containers', '--tail=50').catch(String)}`, { cause: error })
  })
}

function adapted(deployment: Json, cluster: Cluster, image: string, { replicas = 1, longestCallSeconds }: PlatformOptions): Json {
  const limits = longestCallSeconds === undefined ? [] : ['upstream_timeout', 'shutdown_timeout'].map((name) => ({ name, value: `${longestCallSeconds}s` }))
  const grace = longestCallSeconds === undefined ? {} : { terminationGracePeriodSeconds: longestCallSeconds + GRACE_SECONDS }
  const template = objectAt(deployment, 'spec', 'template')
  const containers = listAt(template, 'spec', 'containers').filter(isObject).map((container) => ({
    ...container, image, env: [...listAt(container, 'env'), { name: 'insecure_registries', value: cluster.registry }, ...limits],
  }))
  const spec = { ...objectAt(template, 'spec'), ...grace, containers }
  return { ...deployment, spec: { ...objectAt(deployment, 'spec'), replicas, template: { ...template, spec } } }
}

async function pushPlatform(cluster: Cluster): Promise<string> {
  const files = new Map<string, Uint8Array>([['home/bramble/index.mjs', Buffer.from(startText({ release: '0.0.0', sha: '0000000' }))]])
  for (const name of await readdir(join(root, 'dist'))) {
    if (name.endsWith('.mjs') && name !== 'bramble.mjs') files.set(`home/bramble/${name}`, await readFile(join(root, 'dist', name)))
  }
  return pushProgram(cluster, 'bramble/platform:test', {
    files, command: ['/usr/bin/node', '--max-semi-space-size=2', '--no-concurrent-recompilation', '/home/bramble/index.mjs'], env: ['NODE_ENV=production', 'host=0.0.0.0'],
  })
}
