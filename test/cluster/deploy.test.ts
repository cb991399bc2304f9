/** deploy.yml on a cluster, as its owner applies it: the platform comes up in its pod, and functions are served. */
import * as assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { startText } from '../../platform/image/platform-image.ts'
import { isObject, listAt, objectAt, textAt, type Json } from '../../platform/provider/kubernetes/json.ts'
import { eventually, test } from '../kit.ts'
import { startCluster, type Cluster } from './cluster.ts'
import { clean } from './provider-world.ts'
import { pushProbe, pushProgram } from './probe-image.ts'

const root = join(import.meta.dirname, '../..')
const START_LIMIT_MS = 240_000

test('one file on an empty cluster is all there is: password, functions, calls, and a platform that is replaced', async () => {
  await using cluster = await startCluster()
  await withoutPlatform(cluster)
  await clean(cluster)
  const image = await pushPlatform(cluster)
  const beganMs = Date.now()
  await cluster.kubectl('label', 'node', 'pi4', 'bramble/platform=true', '--overwrite')
  await deploy(cluster, image)
  await rolledOut(cluster)
  console.log(`applied and ready after ${((Date.now() - beganMs) / 1000).toFixed(1)} s`)

  const secret = await eventually('the password is in its secret', async () => {
    const data = objectAt(await cluster.get('secret', 'basic-auth', '-n', 'openfaas'), 'data')
    return textAt(data, 'basic-auth-password')
  })
  const authorization = `Basic ${Buffer.from(`admin:${Buffer.from(secret, 'base64').toString()}`).toString('base64')}`
  const url = `http://${cluster.node('pi4').address}:31112`
  const send = (path: string, method: string, body?: object): Promise<Response> => fetch(url + path, {
    method, headers: { authorization, connection: 'close' }, ...(body ? { body: JSON.stringify(body) } : {}),
  })
  // kube-proxy learns of the pod a little later.
  await eventually('the door is open', async () => (await fetch(`${url}/healthz`).catch(() => undefined))?.status === 200)
  assert.equal((await fetch(`${url}/system/functions`)).status, 401)
  const function1 = { service: 'probe', image: await pushProbe(cluster, 'probe') }
  const applied = await send('/system/functions', 'POST', function1)
  assert.equal(applied.status, 202, await applied.text())
  const answer = await send('/function/probe/version', 'GET')
  assert.deepEqual([answer.status, await answer.text()], [200, '1'])
  console.log(`first answer of a function after ${((Date.now() - beganMs) / 1000).toFixed(1)} s`)
  const memory = await cluster.kubectl('get', '--raw', '/api/v1/nodes/pi4/proxy/stats/summary')
  for (const pod of listAt(JSON.parse(memory), 'pods')) {
    if (textAt(pod, 'podRef', 'namespace') !== 'openfaas') continue
    for (const one of listAt(pod, 'containers')) console.log(textAt(one, 'name'), 'uses', JSON.stringify(objectAt(one, 'memory')))
  }

  // It keeps nothing of its own that matters: another pod finds everything in the API.
  await cluster.kubectl('-n', 'openfaas', 'delete', 'pod', '-l', 'app=gateway', '--wait=true', '--timeout=120s')
  await rolledOut(cluster)
  await eventually('the function answers through the new pod', async () => {
    const again = await send('/function/probe/version', 'GET').catch(() => undefined)
    return again !== undefined && await again.text() === '1'
  })
  const listed: unknown = await (await send('/system/functions', 'GET')).json()
  assert.deepEqual(listAt({ listed }, 'listed').map((one) => textAt(one, 'name')), ['probe'])
  assert.equal((await send('/system/functions', 'DELETE', { functionName: 'probe' })).status, 202)
  await withoutPlatform(cluster)
}, { timeoutMs: 900_000 })

async function withoutPlatform(cluster: Cluster): Promise<void> {
  for (const [kind, name] of [['deployment', 'gateway'], ['persistentvolumeclaim', 'bramble-data'], ['secret', 'basic-auth']] as const) {
    await cluster.kubectl('-n', 'openfaas', 'delete', kind, name, '--ignore-not-found', '--wait=false').catch(() => '')
  }
  await cluster.kubectl('-n', 'openfaas', 'wait', '--for=delete', 'pod', '-l', 'app=gateway', '--timeout=120s')
}

async function rolledOut(cluster: Cluster): Promise<void> {
  await cluster.kubectl('-n', 'openfaas', 'rollout', 'status', 'deployment', 'gateway', `--timeout=${START_LIMIT_MS / 1000}s`).catch(async (error: unknown) => {
    throw new Error(`${await cluster.kubectl('-n', 'openfaas', 'describe', 'pods', '-l', 'app=gateway')}\n${await cluster.kubectl('-n', 'openfaas', 'logs', '-l', 'app=gateway', '--tail=50').catch(String)}`, { cause: error })
  })
}

/** As it is, but for the image and a registry without TLS. */
async function deploy(cluster: Cluster, image: string): Promise<void> {
  const objects = parseAllDocuments(await readFile(join(root, 'platform/deploy.yml'), 'utf8')).map((one): unknown => one.toJS()).filter(isObject)
  await cluster.apply(...objects.map((one) => (textAt(one, 'kind') === 'Deployment' ? adapted(one, cluster, image) : one)))
}

function adapted(deployment: Json, cluster: Cluster, image: string): Json {
  const template = objectAt(deployment, 'spec', 'template')
  const containers = listAt(template, 'spec', 'containers').filter(isObject).map((container) => ({
    ...container, image, env: [...listAt(container, 'env'), { name: 'insecure_registries', value: cluster.registry }],
  }))
  const spec = { ...objectAt(template, 'spec'), containers }
  return { ...deployment, spec: { ...objectAt(deployment, 'spec'), template: { ...template, spec } } }
}

async function pushPlatform(cluster: Cluster): Promise<string> {
  const files = new Map<string, Uint8Array>([['home/bramble/index.mjs', Buffer.from(startText({ release: '0.0.0', sha: '0000000' }))]])
  for (const name of await readdir(join(root, 'dist'))) {
    if (name.endsWith('.mjs') && name !== 'bramble.mjs') files.set(`home/bramble/${name}`, await readFile(join(root, 'dist', name)))
  }
  return pushProgram(cluster, 'bramble/platform:test', {
    files, command: ['/usr/bin/node', '--max-semi-space-size=2', '/home/bramble/index.mjs'], env: ['NODE_ENV=production', 'host=0.0.0.0'],
  })
}
