/** What only a cluster can show of the provider: objects, other people's changes, watches that are lost, words for what is wrong. */
import * as assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { listAt, numberAt, objectAt, textAt, textsAt } from '../../platform/provider/kubernetes/json.ts'
import type { FunctionSpec } from '../../platform/openfaas/types.ts'
import { eventually, test } from '../kit.ts'
import { ask } from '../provider/data-path.ts'
import { refuses } from '../provider/rejections.ts'
import { refOf, specOf } from '../provider/spec-of.ts'
import { succeeds } from './pods.ts'
import { openProviderWorld, type ProviderWorld } from './provider-world.ts'

const options = { timeoutMs: 300_000 }

/** The first condition of the function with this in its message. */
async function condition(world: ProviderWorld, name: string, words: RegExp): Promise<string> {
  return eventually(`${name} says ${words}`, async () => {
    const status = await world.provider.get(refOf(name))
    return status?.conditions.map(({ reason, message }) => `${reason}: ${message}`).find((text) => words.test(text))
  }, 120_000)
}

test('a function is a Deployment with a Service that belongs to it', async () => {
  await using world = await openProviderWorld()
  const { cluster, provider, path } = world
  await provider.apply(specOf('probe', { image: await world.makeImage('probe') }))
  await path.ready('probe')
  const service = await cluster.get('service', 'probe', '-n', 'openfaas-fn')
  assert.equal(textAt(listAt(service, 'metadata', 'ownerReferences')[0], 'kind'), 'Deployment')
  await provider.remove(refOf('probe'))
  await eventually('the Service has gone too', async () =>
    !await succeeds(cluster.kubectl('-n', 'openfaas-fn', 'get', 'service', 'probe')), 240_000)
}, options)

test('what a person has set in other fields stays, what the platform sets comes back', async () => {
  await using world = await openProviderWorld()
  const { cluster, provider, path } = world
  const spec = specOf('probe', { image: await world.makeImage('probe') })
  await provider.apply(spec)
  await path.ready('probe')
  // Two updates at once take away first what Kubernetes does not know to be ready yet.
  await cluster.kubectl('-n', 'openfaas-fn', 'rollout', 'status', 'deployment', 'probe', '--timeout=120s')
  await cluster.kubectl('-n', 'openfaas-fn', 'annotate', 'deployment', 'probe', 'owner=me')
  const patch = { spec: { template: { spec: { hostAliases: [{ ip: '10.1.2.3', hostnames: ['db'] }], enableServiceLinks: true } } } }
  await cluster.kubectl('-n', 'openfaas-fn', 'patch', 'deployment', 'probe', '--type=merge', '-p', JSON.stringify(patch))
  await provider.apply({ ...spec, envVars: { version: '2' } })
  const after = await cluster.get('deployment', 'probe', '-n', 'openfaas-fn')
  assert.equal(textsAt(after, 'metadata', 'annotations')['owner'], 'me')
  assert.equal(textAt(listAt(after, 'spec', 'template', 'spec', 'hostAliases')[0], 'ip'), '10.1.2.3')
  assert.equal(objectAt(after, 'spec', 'template', 'spec')['enableServiceLinks'], false)
  await eventually('the second version', async () => await path.call('probe', '/version') === '2')
}, options)

test('calls go on and changes are refused with a reason while the API is away; it is followed again when it is back', async () => {
  await using world = await openProviderWorld()
  const { cluster, provider, path } = world
  const spec = specOf('probe', { image: await world.makeImage('probe'), envVars: { version: 'before' } })
  await provider.apply(spec)
  await path.ready('probe')
  const changes = path.changes.length
  await cluster.api.stop()
  try {
    await refuses('UNAVAILABLE', ['probe', 'cannot be reached'], () => provider.apply({ ...spec, envVars: { version: 'x' } }))
    assert.equal(await path.call('probe', '/version'), 'before')
    assert.equal((await provider.list('openfaas-fn')).length, 1)
    assert.equal(path.changes.length, changes, 'nothing changes for callers')
  } finally {
    await cluster.api.start()
  }
  await eventually('the API is back', () => succeeds(provider.apply({ ...spec, annotations: { is: 'back' } })), 120_000)
  assert.ok(path.changes.slice(changes).every(({ route }) => route?.endpoints.length === 1), 'there is always one to call')
  // By another hand, so that it is the watch that tells; not waiting for Kubernetes' own controllers, which take minutes.
  await cluster.kubectl('-n', 'openfaas-fn', 'scale', 'deployment', 'probe', '--replicas=0')
  await eventually('the change is followed', () => path.route('probe')?.replicas === 0, 120_000)
}, options)

test('a second platform finds everything in the API, and its coming and going changes nothing', async () => {
  await using world = await openProviderWorld()
  const { cluster, provider, path } = world
  await provider.apply(specOf('probe', { image: await world.makeImage('probe'), labels: { 'com.openfaas.scale.min': '2' } }))
  await path.ready('probe', 2)
  await cluster.kubectl('-n', 'openfaas-fn', 'rollout', 'status', 'deployment', 'probe', '--timeout=120s')
  const changes = path.changes.length
  const second = await world.another()
  const seen: number[] = []
  second.watch(({ route }) => seen.push(route?.endpoints.length ?? -1))
  assert.deepEqual(seen, [2], 'it serves at once')
  assert.deepEqual(await second.list('openfaas-fn'), await provider.list('openfaas-fn'))
  await second.stop()
  assert.equal(path.changes.length, changes)
  assert.equal(await path.call('probe', '/version'), '1')
}, options)

test('a function says in words why it is not ready', async () => {
  await using world = await openProviderWorld()
  const { cluster, provider } = world
  const image = await world.makeImage('probe')
  // The registry of the nodes is asked under a name that the platform does not know.
  await provider.apply(specOf('absent', { image: `localhost:1/absent:1` }))
  await provider.apply(specOf('elsewhere', { image, constraints: ['zone=nowhere'] }))
  await provider.apply(specOf('large', { image, requests: { memory: '64Gi' }, limits: { memory: '64Gi' } }))
  await provider.apply(specOf('greedy', { image, limits: { memory: '64Mi' }, envVars: { say: 'here' } }))
  assert.match(await condition(world, 'absent', /image/), /NotReady: image localhost:1\/absent:1 of replica absent-/)
  assert.match(await condition(world, 'elsewhere', /no node takes/), /NotReady: .*no node has the label zone=nowhere that the constraints ask for \(kubectl label node NAME zone=nowhere\)/)
  assert.match(await condition(world, 'large', /no node takes/), /NotReady: .*no node has enough free memory/)
  await world.path.ready('greedy')
  const [greedy] = world.path.endpoints('greedy')
  assert.ok(greedy)
  await ask(greedy, '/buffers?mib=200').catch(() => undefined)
  assert.match(await condition(world, 'greedy', /OutOfMemory/), /more memory than its limit/)
  assert.ok(cluster)
}, options)

test('a replica that says it is not ready gets no more calls, until it is again', async () => {
  await using world = await openProviderWorld()
  const { provider, path } = world
  await provider.apply(specOf('probe', {
    image: await world.makeImage('probe'),
    annotations: { 'com.openfaas.ready.http.path': '/_/ready', 'com.openfaas.ready.http.periodSeconds': '1', 'com.openfaas.ready.http.failureThreshold': '1' },
  }))
  const [first] = await path.ready('probe')
  assert.ok(first)
  await world.cluster.kubectl('-n', 'openfaas-fn', 'rollout', 'status', 'deployment', 'probe', '--timeout=120s')
  await ask(first, '/ready/off')
  await eventually('it is out', () => path.endpoints('probe').length === 0)
  await ask(first, '/ready/on')
  assert.deepEqual(await path.ready('probe'), [first])
}, options)

test('a replica that says where it serves is called before Kubernetes knows its address; nobody can say it for another', async () => {
  await using world = await openProviderWorld()
  const { cluster, provider, path } = world
  await provider.apply(specOf('probe', { image: await world.makeImage('probe') }))
  const [real] = await path.ready('probe')
  assert.ok(real && provider.announced)
  // A second pod that no kubelet runs; what would run in it listens here.
  const deployment = await cluster.get('deployment', 'probe', '-n', 'openfaas-fn')
  const template = objectAt(deployment, 'spec', 'template')
  const server = createServer((_req, res) => { res.end('early') })
  // A board's pods get addresses of this machine, so that the test can listen there.
  const [board, host] = ['board-without-kubelet', '127.77.0.1']
  await cluster.apply({ apiVersion: 'v1', kind: 'Node', metadata: { name: board }, spec: { podCIDR: '127.77.0.0/24', podCIDRs: ['127.77.0.0/24'] } })
  await new Promise<void>((resolve) => server.listen(8080, host, resolve))
  try {
    await provider.scale(refOf('probe'), 2)
    await path.ready('probe', 2)
    await cluster.apply({
      apiVersion: 'v1', kind: 'Pod',
      metadata: { name: 'probe-early', namespace: 'openfaas-fn', ...objectAt(template, 'metadata') },
      spec: { ...objectAt(template, 'spec'), nodeName: board },
    })
    const uid = textAt(await cluster.get('pod', 'probe-early', '-n', 'openfaas-fn'), 'metadata', 'uid') ?? ''
    provider.announced('0b1c2d3e-0000-4000-8000-123456789abc', host)
    provider.announced(uid, real.host)
    provider.announced(uid, 'not-an-address')
    provider.announced(uid, '127.0.0.1')
    provider.announced(uid, host)
    await eventually('it is in the rotation', () => path.endpoints('probe').some((one) => one.host === host && one.instance === 'probe-early'))
    assert.equal(path.endpoints('probe').length, 3)
    assert.equal(path.endpoints('probe').filter((one) => one.host === real.host).length, 1)
  } finally {
    server.closeAllConnections()
    server.close()
    await cluster.kubectl('-n', 'openfaas-fn', 'delete', 'pod', 'probe-early', '--grace-period=0', '--force', '--ignore-not-found')
    await cluster.kubectl('delete', 'node', board)
  }
}, options)

test('a volume keeps what was written, over an update in which the old replica has ended before the new one starts', async () => {
  await using world = await openProviderWorld()
  const { provider, path } = world
  const spec = specOf('probe', { image: await world.makeImage('probe'), annotations: { 'bramble/volume': '/data' }, envVars: { version: 'one' } })
  await provider.apply(spec)
  await path.ready('probe')
  assert.equal(await path.call('probe', '/write?path=/data/kept'), 'written')
  assert.notEqual(await path.call('probe', '/write?path=/elsewhere'), 'written', 'the root is read-only')
  await provider.apply({ ...spec, envVars: { version: 'two' } })
  await eventually('the second version', async () => path.endpoints('probe').length === 1 && await path.call('probe', '/version').catch(() => '') === 'two', 120_000)
  assert.equal(await path.call('probe', '/read?path=/data/kept'), 'x')
  await refuses('INVALID', ['one replica writes'], () => provider.scale(refOf('probe'), 2))
}, options)

test('a Function object is applied, tells how its function is, follows changes, and takes it along when it goes', async () => {
  await using world = await openProviderWorld()
  const { cluster, provider, path } = world
  const image = await world.makeImage('probe')
  const object = (more: object): object => ({
    apiVersion: 'openfaas.com/v1', kind: 'Function', metadata: { name: 'probe', namespace: 'openfaas-fn' },
    spec: { name: 'probe', image, environment: { version: 'one' }, ...more },
  })
  await cluster.apply(object({}))
  await path.ready('probe')
  await eventually('its status says Ready', async () => readyOf(await cluster.get('functions.openfaas.com', 'probe', '-n', 'openfaas-fn')) === 'True')
  await cluster.apply(object({ environment: { version: 'two' } }))
  await eventually('the change', async () => await path.call('probe', '/version') === 'two', 120_000)
  await cluster.apply(object({ secrets: ['not-there'] }))
  await eventually('its status says what is wrong', async () => {
    const conditions = listAt(await cluster.get('functions.openfaas.com', 'probe', '-n', 'openfaas-fn'), 'status', 'conditions')
    return conditions.some((one) => textAt(one, 'type') === 'Stalled' && textAt(one, 'status') === 'True' && /not-there/.test(textAt(one, 'message') ?? ''))
  })
  assert.equal(await path.call('probe', '/version'), 'two', 'what there is goes on')
  await cluster.kubectl('-n', 'openfaas-fn', 'delete', 'functions.openfaas.com', 'probe')
  await eventually('the function has gone too', async () => await provider.get(refOf('probe')) === undefined)
}, options)

test('profiles change the pods of functions that name them', async () => {
  await using world = await openProviderWorld()
  const { cluster, provider } = world
  const spec: FunctionSpec = specOf('probe', { image: await world.makeImage('probe'), annotations: { 'com.openfaas.profile': 'slow' } })
  await cluster.kubectl('-n', 'openfaas', 'delete', 'profile', 'slow', '--ignore-not-found')
  await refuses('INVALID', ['slow'], () => provider.apply(spec))
  await cluster.apply({
    apiVersion: 'openfaas.com/v1', kind: 'Profile', metadata: { name: 'slow', namespace: 'openfaas' },
    spec: { tolerations: [{ key: 'slow', operator: 'Exists' }] },
  })
  await provider.apply(spec)
  const tolerations = listAt(await cluster.get('deployment', 'probe', '-n', 'openfaas-fn'), 'spec', 'template', 'spec', 'tolerations')
  assert.ok(tolerations.some((one) => textAt(one, 'key') === 'slow'))
}, options)

test('the platform\'s account can do what it needs and no more', async () => {
  await using world = await openProviderWorld()
  const { cluster } = world
  const asPlatform = (...args: string[]): Promise<string> => cluster.kubectl('--as=system:serviceaccount:openfaas:bramble', ...args)
  const may = async (verb: string, what: string, namespace: string): Promise<boolean> =>
    succeeds(asPlatform('auth', 'can-i', verb, what, '-n', namespace))
  for (const [verb, what, namespace] of [
    ['get', 'secrets', 'kube-system'], ['list', 'secrets', 'openfaas'], ['create', 'pods', 'openfaas-fn'], ['create', 'pods/exec', 'openfaas-fn'],
    ['create', 'deployments', 'openfaas'], ['create', 'deployments', 'kube-system'], ['delete', 'nodes', ''], ['patch', 'nodes', ''],
    ['create', 'clusterrolebindings', ''], ['escalate', 'roles', 'openfaas-fn'], ['impersonate', 'users', ''], ['create', 'serviceaccounts/token', 'openfaas'],
    ['delete', 'rolebindings', 'openfaas-fn'], ['get', 'pods', 'kube-system'],
  ] as const) assert.equal(await may(verb, what, namespace), false, `${verb} ${what} in ${namespace}`)
  assert.ok(await may('patch', 'deployments', 'openfaas-fn'))
  // Roles cannot say which namespaces: a policy does.
  for (const command of [
    ['delete', 'namespace', 'kube-system', '--dry-run=server'], ['delete', 'namespace', 'openfaas-fn', '--dry-run=server'],
    ['annotate', 'namespace', 'kube-system', 'openfaas=1', '--dry-run=server'], ['create', 'namespace', 'plain', '--dry-run=server'],
    ['-n', 'kube-system', 'create', 'rolebinding', 'mine', '--clusterrole=bramble-functions', '--serviceaccount=openfaas:bramble', '--dry-run=server'],
    ['-n', 'openfaas-fn', 'create', 'rolebinding', 'mine', '--clusterrole=cluster-admin', '--serviceaccount=openfaas:bramble', '--dry-run=server'],
  ]) await assert.rejects(asPlatform(...command), /annotated openfaas=1|may not remove|forbidden/i, command.join(' '))
}, options)

test('a namespace for functions gets its policies and the platform\'s role', async () => {
  await using world = await openProviderWorld()
  const { cluster, provider } = world
  await provider.namespaces.create({ name: 'staging', labels: {}, annotations: {} })
  const names = listAt(await cluster.get('networkpolicies', '-n', 'staging'), 'items').map((one) => textAt(one, 'metadata', 'name'))
  assert.deepEqual(names, ['bramble-default-deny', 'bramble-functions'])
  await provider.apply(specOf('probe', { image: await world.makeImage('probe'), namespace: 'staging', annotations: { 'bramble/exits': 'internet:443' } }))
  const exits = await cluster.get('networkpolicy', 'probe-exits', '-n', 'staging')
  assert.equal(numberAt(listAt(listAt(exits, 'spec', 'egress')[0], 'ports')[0], 'port'), 443)
}, options)

function readyOf(object: unknown): string | undefined {
  return textAt(listAt(object, 'status', 'conditions').find((one) => textAt(one, 'type') === 'Ready'), 'status')
}
