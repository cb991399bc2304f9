/** The cluster itself: that what other tests rely on is so. */
import * as assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { eventually, test, withDeadline } from '../kit.ts'
import { besideOf, startCluster, type Cluster } from './cluster.ts'
import { answers, call, makeNamespace, podAddress, podOf, succeeds, untilAnswered } from './pods.ts'
import { tracesOf } from './traces.ts'

/** A node's start after the power was off, on a busy machine. */
const options = { timeoutMs: 300_000 }
const BOOT_LIMIT_MS = 180_000
/** A call that may fail is tried again after this. */
const TRY_MS = 3_000

test('every node is Ready, and a worker has the memory of a Zero 2W', async () => {
  await using cluster = await startCluster()
  assert.deepEqual(cluster.nodes, ['pi4', 'zero-1', 'zero-2'])
  const jsonpath = '-o=jsonpath={range .items[*]}{.status.conditions[?(@.type=="Ready")].status} {.status.capacity.memory}{"\\n"}{end}'
  const lines = (await cluster.kubectl('get', 'nodes', jsonpath)).trim().split('\n')
  assert.deepEqual(lines, ['True 3800Mi', 'True 416Mi', 'True 416Mi'])
}, options)

test('a pod answers on its own address, and by the name of its Service', async () => {
  await using cluster = await startCluster()
  await using namespace = await makeNamespace(cluster)
  const asking = `require('node:http').createServer(async (q, r) => {
    try { r.end(await (await fetch('http://echo:8080')).text()) } catch (error) { r.end(String(error.cause)) }
  }).listen(8080)`
  await cluster.apply(
    podOf(cluster, namespace.name, { name: 'echo', node: 'zero-1', code: answers('hello'), labels: { app: 'echo' } }),
    { apiVersion: 'v1', kind: 'Service', metadata: { name: 'echo', namespace: namespace.name }, spec: { selector: { app: 'echo' }, ports: [{ port: 8080 }] } },
    podOf(cluster, namespace.name, { name: 'asking', node: 'zero-2', code: asking }),
  )
  assert.equal((await untilAnswered(cluster, namespace.name, 'echo')).text, 'hello')
  const { address } = await untilAnswered(cluster, namespace.name, 'asking')
  // kube-proxy learns of the Service a little later.
  await eventually('the pod reaches the Service by its name', async () => await call(address, TRY_MS).catch(() => '') === 'hello', 60_000)
}, options)

test('an image layout that is pushed can be run', async () => {
  await using cluster = await startCluster()
  await using namespace = await makeNamespace(cluster)
  const cache = process.env['BRAMBLE_CLUSTER_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'bramble-cluster')
  const image = await cluster.push(join(cache, 'images', 'node'), 'pushed/twice:7')
  assert.equal(image, `${cluster.registry}/pushed/twice:7`)
  await cluster.apply(podOf(cluster, namespace.name, { name: 'pushed', image, code: answers('pushed') }))
  assert.equal((await untilAnswered(cluster, namespace.name, 'pushed')).text, 'pushed')
}, options)

test('a claim is bound to a folder on the node of its pod, outlives the pod, and goes with the claim', async () => {
  await using cluster = await startCluster()
  await using namespace = await makeNamespace(cluster)
  const keeps = `const fs = require('node:fs'); fs.appendFileSync('/data/kept', 'x')
    require('node:http').createServer((q, r) => r.end(fs.readFileSync('/data/kept'))).listen(8080)`
  const spec = { accessModes: ['ReadWriteOnce'], storageClassName: 'local-path', resources: { requests: { storage: '10Mi' } } }
  await cluster.apply(
    { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name: 'data', namespace: namespace.name }, spec },
    podOf(cluster, namespace.name, { name: 'first', node: 'zero-2', claim: 'data', code: keeps }),
  )
  assert.equal((await untilAnswered(cluster, namespace.name, 'first')).text, 'x')
  await cluster.kubectl('-n', namespace.name, 'delete', 'pod', 'first')

  // Without a word about the node: the volume says where it is.
  await cluster.apply(podOf(cluster, namespace.name, { name: 'second', claim: 'data', code: keeps }))
  assert.equal((await untilAnswered(cluster, namespace.name, 'second')).text, 'xx')
  assert.equal(await cluster.kubectl('-n', namespace.name, 'get', 'pod', 'second', '-o', 'jsonpath={.spec.nodeName}'), 'zero-2')

  const volume = await cluster.kubectl('-n', namespace.name, 'get', 'pvc', 'data', '-o', 'jsonpath={.spec.volumeName}')
  const folder = await cluster.kubectl('get', 'pv', volume, '-o', 'jsonpath={.spec.hostPath.path}')
  assert.equal(readFileSync(join(folder, 'kept'), 'utf8'), 'xx')
  await cluster.kubectl('-n', namespace.name, 'delete', 'pod/second', 'pvc/data')
  await eventually('the volume is gone', async () => await cluster.kubectl('get', 'pv', volume, '--ignore-not-found') === '', 60_000)
  assert.equal(existsSync(folder), false)
}, options)

test('memory of a pod comes from its kubelet, through the API server', async () => {
  await using cluster = await startCluster()
  await using namespace = await makeNamespace(cluster)
  await cluster.apply(podOf(cluster, namespace.name, { name: 'measured', node: 'zero-1', code: answers('hello') }))
  await untilAnswered(cluster, namespace.name, 'measured')
  await eventually('the summary tells of the pod', async () => {
    const summary = await cluster.kubectl('get', '--raw', '/api/v1/nodes/zero-1/proxy/stats/summary').catch(() => '')
    const pod = summary.slice(summary.indexOf(`"namespace": "${namespace.name}"`))
    return summary.includes(`"namespace": "${namespace.name}"`) && /"workingSetBytes": [1-9]\d{6}/.test(pod)
  }, 60_000)
}, options)

test('an account may do what it was given, and nothing else', async () => {
  await using cluster = await startCluster()
  await using namespace = await makeNamespace(cluster)
  const inside = ['-n', namespace.name]
  await cluster.kubectl(...inside, 'create', 'serviceaccount', 'reader')
  await cluster.kubectl(...inside, 'create', 'role', 'reader', '--verb=get', '--resource=pods')
  await cluster.kubectl(...inside, 'create', 'rolebinding', 'reader', '--role=reader', `--serviceaccount=${namespace.name}:reader`)
  const may = (verb: string, what: string): Promise<boolean> =>
    succeeds(cluster.kubectl(...inside, 'auth', 'can-i', verb, what, `--as=system:serviceaccount:${namespace.name}:reader`))
  await eventually('the role is seen', () => may('get', 'pods'), 60_000)
  assert.equal(await may('delete', 'pods'), false)
  assert.equal(await may('get', 'secrets'), false)
}, options)

test('a cut node is cut, and serves again when its cable is back', async () => {
  await using cluster = await startCluster()
  await using namespace = await makeNamespace(cluster)
  const address = await serve(cluster, namespace.name, 'zero-2')
  const node = cluster.node('zero-2')
  await node.cut()
  try {
    await assert.rejects(call(address, TRY_MS))
  } finally {
    await node.restore()
  }
  await eventually('it answers again', () => succeeds(call(address, TRY_MS)), 60_000)
}, options)

test('a delayed node answers late; what was held back arrives when the delay ends', async () => {
  await using cluster = await startCluster()
  await using namespace = await makeNamespace(cluster)
  const echo = `const udp = require('node:dgram').createSocket('udp4', (text, from) => udp.send(text, from.port, from.address)).bind(8080)`
  await cluster.apply(podOf(cluster, namespace.name, { name: 'served', node: 'zero-1', code: `${echo}; ${answers('zero-1')}` }))
  const { address } = await untilAnswered(cluster, namespace.name, 'served')
  const node = cluster.node('zero-1')
  try {
    const delayMs = 250
    await node.delay(delayMs)
    const startMs = performance.now()
    await call(address)
    // Its greeting and its request, one after the other, were both held.
    assert.ok(performance.now() - startMs >= 2 * delayMs, `after ${performance.now() - startMs} ms`)

    const stallMs = 600_000
    await node.delay(stallMs)
    await using socket = createSocket('udp4')
    const echoed = withDeadline(once(socket, 'message'), 30_000, 'the echo')
    // Sent once and never again: it arrives only if nothing is lost.
    socket.send('held', 8080, address)
    await assert.rejects(call(address, TRY_MS))
    await node.delay(0)
    assert.equal(String((await echoed)[0]), 'held')
  } finally {
    await node.delay(0)
  }
}, options)

test('a node that stops says goodbye, one without power does not; both boot again', async () => {
  await using cluster = await startCluster()
  await using namespace = await makeNamespace(cluster)
  const node = cluster.node('zero-2')
  const address = await serve(cluster, namespace.name, 'zero-2')
  const warned = await open(address)
  const goodbye = new Promise((resolve) => warned.once('close', resolve))
  await node.stop()
  await goodbye
  await node.start()

  const again = await untilBooted(cluster, namespace.name, 'zero-2')
  const unwarned = await open(again)
  let heard = false
  unwarned.once('close', () => { heard = true })
  await node.powerOff()
  assert.equal(heard, false)
  unwarned.destroy()
  await node.start()
  await untilBooted(cluster, namespace.name, 'zero-2')
}, { timeoutMs: 600_000 })

test('pods serve on while the API server is away', async () => {
  await using cluster = await startCluster()
  await using namespace = await makeNamespace(cluster)
  const address = await serve(cluster, namespace.name, 'zero-1')
  await cluster.api.stop()
  try {
    await assert.rejects(cluster.kubectl('get', 'nodes', '--request-timeout=2s'))
    assert.equal(await call(address), 'zero-1')
  } finally {
    await cluster.api.start()
  }
  await cluster.kubectl('get', 'nodes')
}, options)

test('an ended cluster leaves nothing, and may be ended again', async () => {
  const cluster = await startCluster({ workers: 1, zeroMemMib: 296 })
  try {
    assert.deepEqual(cluster.nodes, ['pi4', 'zero-1'])
    const memory = await cluster.kubectl('get', 'node', 'zero-1', '-o', 'jsonpath={.status.capacity.memory}')
    assert.equal(memory, '296Mi')
    for (const kind of ['link', 'route', 'cgroup', 'process', 'folder']) {
      assert.ok(tracesOf(cluster.number).some((trace) => trace.startsWith(kind)), `a running cluster has a ${kind}`)
    }
  } finally {
    await cluster[Symbol.asyncDispose]()
  }
  await cluster[Symbol.asyncDispose]()
  assert.deepEqual(tracesOf(cluster.number), [])
}, options)

test('a start that was killed half-way is cleaned away', async () => {
  const number = besideOf()
  const program = join(import.meta.dirname, 'harness', 'cluster.sh')
  const env = { ...process.env, BRAMBLE_CLUSTER: number }
  const starting = spawn(program, ['up', '1'], { env, stdio: ['ignore', 'inherit', 'pipe'] })
  await eventually('the worker is being made', async () => {
    for await (const chunk of starting.stderr) if (String(chunk).includes('workers')) return true
    throw new Error('the cluster ended by itself')
  }, 240_000)
  starting.kill('SIGKILL')
  await once(starting, 'close')
  assert.notDeepEqual(tracesOf(number), [])
  const [code] = await once(spawn(program, ['down'], { env, stdio: 'inherit' }), 'close')
  assert.equal(code, 0)
  assert.deepEqual(tracesOf(number), [])
}, options)

/** A pod that answers the name of its node; its address. */
async function serve(cluster: Cluster, namespace: string, node: string): Promise<string> {
  await cluster.apply(podOf(cluster, namespace, { name: 'served', node, code: answers(node) }))
  return (await untilAnswered(cluster, namespace, 'served')).address
}

/** A booted node gives its pods new addresses; the old one stands in the API until then. */
async function untilBooted(cluster: Cluster, namespace: string, node: string): Promise<string> {
  return eventually(`${node} runs its pod again`, async () => {
    const address = await podAddress(cluster, namespace, 'served')
    return await call(address, TRY_MS).catch(() => '') === node && address
  }, BOOT_LIMIT_MS)
}

async function open(address: string): Promise<Socket> {
  const socket = connect(8080, address)
  await once(socket, 'connect')
  return socket.on('error', () => {}).resume() // a reset is a goodbye too
}
