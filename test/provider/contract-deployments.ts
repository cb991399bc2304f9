/** The port's promises about apply, list, get and updates. */
import * as assert from 'node:assert/strict'
import { DEFAULT_NAMESPACE } from '../../platform/openfaas/types.ts'
import { eventually, test } from '../kit.ts'
import type { ContractWorld } from './contract.ts'
import { ask } from './data-path.ts'
import { refuses } from './rejections.ts'
import { refOf, shortCalls, specOf } from './spec-of.ts'

export function deployments(open: () => Promise<ContractWorld>): void {
  test('a deployed function becomes ready, is called, and is reported as it was sent', async () => {
    await using world = await open()
    const { provider, path } = world
    const spec = specOf('probe', {
      image: await world.makeImage('probe'),
      envVars: { greeting: 'hi' }, labels: { team: 'a' }, annotations: { note: '{"a":1}', 'bramble/affinity': 'header:X-Key' },
      constraints: ['zone=here'], limits: { memory: '128Mi', cpu: '500m' }, requests: { memory: '16Mi' },
    })
    const beforeMs = Date.now()
    await provider.apply(spec)
    assert.equal((await provider.get(spec))?.replicas, 1)
    await path.ready('probe')
    assert.equal(JSON.parse(await path.call('probe', '/env')).greeting, 'hi')
    const status = await provider.get(refOf('probe'))
    assert.deepEqual(status?.spec, spec)
    assert.equal(status?.availableReplicas, 1)
    assert.deepEqual(status?.conditions, [])
    assert.ok(status.createdAt.getTime() >= beforeMs - 1_000 && status.createdAt.getTime() <= Date.now())
    assert.equal(status.usage, undefined)
    assert.equal(path.route('probe')?.replicas, 1)
    assert.deepEqual(path.route('probe')?.affinity, { by: 'header', name: 'x-key' })
  })

  test('functions are listed by name, in their namespace only', async () => {
    await using world = await open()
    const { provider } = world
    const image = await world.makeImage('probe')
    await provider.namespaces.create({ name: 'other', labels: { openfaas: '1' }, annotations: {} })
    const asleep = { image, labels: { 'com.openfaas.scale.min': '0' } }
    for (const name of ['zoo', 'a-b', 'ab']) await provider.apply(specOf(name, asleep))
    await provider.apply(specOf('elsewhere', { ...asleep, namespace: 'other' }))
    assert.deepEqual((await provider.list(DEFAULT_NAMESPACE)).map(({ spec }) => spec.name), ['a-b', 'ab', 'zoo'])
    assert.deepEqual((await provider.list('other')).map(({ spec }) => spec.name), ['elsewhere'])
    assert.equal(await provider.get(refOf('elsewhere')), undefined)
    assert.equal((await provider.get(refOf('elsewhere', 'other')))?.spec.name, 'elsewhere')
    await refuses('NOT_FOUND', ['nowhere'], () => provider.list('nowhere'))
  })

  test('what cannot run is refused with its reason, and changes nothing', async () => {
    await using world = await open()
    const { provider, path } = world
    const image = await world.makeImage('probe')
    await provider.apply(specOf('probe', { image }))
    const [before] = await path.ready('probe')
    const refused: [string[], Parameters<typeof specOf>[1]][] = [
      [['no-such-image'], { image: world.absentImage }],
      [['missing-secret'], { image, secrets: ['missing-secret'] }],
      [['limits.memory', 'much'], { image, limits: { memory: 'much' } }],
      [['requests.cpu', '-1'], { image, requests: { cpu: '-1' } }],
      [['com.openfaas.scale.min'], { image, labels: { 'com.openfaas.scale.min': 'x' } }],
    ]
    for (const [words, more] of refused) {
      await refuses('INVALID', words, () => provider.apply(specOf('probe', { ...more, envVars: { version: '2' } })))
      await refuses('INVALID', words, () => provider.apply(specOf('fresh', more)))
    }
    await refuses('INVALID', ['nowhere'], () => provider.apply(specOf('fresh', { image, namespace: 'nowhere' })))
    assert.deepEqual((await provider.list(DEFAULT_NAMESPACE)).map(({ spec }) => [spec.name, spec.envVars]), [['probe', {}]])
    assert.deepEqual(path.endpoints('probe'), [before])
  })

  test('deploying the same again changes nothing, deploying something else keeps the date', async () => {
    await using world = await open()
    const { provider, path } = world
    const spec = specOf('probe', { image: await world.makeImage('probe') })
    await provider.apply(spec)
    const [first] = await path.ready('probe')
    const created = (await provider.get(spec))?.createdAt
    await provider.apply({ ...spec })
    assert.deepEqual(path.endpoints('probe'), [first])
    await provider.apply({ ...spec, envVars: { version: '2' } })
    await eventually('the second version', async () => await path.call('probe', '/version') === '2')
    assert.notEqual(path.endpoints('probe')[0]?.instance, first?.instance)
    assert.deepEqual((await provider.get(spec))?.createdAt, created)
  })

  test('the same image with new content is an update', async () => {
    await using world = await open()
    const { provider, path } = world
    const image = await world.makeImage('probe', 'first')
    await provider.apply(specOf('probe', { image }))
    await path.ready('probe')
    await world.makeImage('probe', 'second')
    assert.equal(await path.call('probe', '/version'), 'first')
    await provider.apply(specOf('probe', { image }))
    await eventually('the new content', async () => await path.call('probe', '/version') === 'second')
  })

  test('an update never leaves the route empty, and switches to the new version as a whole', async () => {
    await using world = await open()
    const { provider, path } = world
    const image = await world.makeImage('probe')
    const labels = { 'com.openfaas.scale.min': '3' }
    await provider.apply(specOf('probe', { image, labels, envVars: { version: 'old' } }))
    const old = await path.ready('probe', 3)
    const from = path.changes.length
    await provider.apply(specOf('probe', { image, labels, envVars: { version: 'new' } }))
    await eventually('the switch', () => path.endpoints('probe').length === 3 && path.endpoints('probe').every((one) => !old.includes(one)))
    for (const { route } of path.changes.slice(from)) {
      const kinds = new Set(route?.endpoints.map((endpoint) => old.includes(endpoint)))
      assert.equal(kinds.size, 1, 'each route has endpoints, of one version')
    }
    const versions = await Promise.all(path.endpoints('probe').map((endpoint) => ask(endpoint, '/version')))
    assert.deepEqual(versions, ['new', 'new', 'new'])
  })

  test('a replica that leaves ends its calls first, and ends once it is said to be drained', async () => {
    await using world = await open()
    const { provider, path } = world
    path.isDraining = false
    const image = await world.makeImage('probe')
    await provider.apply(specOf('probe', { image, envVars: { version: 'old', ...shortCalls } }))
    const [old] = await path.ready('probe')
    assert.ok(old)
    const slow = ask(old, '/version?delay_ms=800')
    await provider.apply(specOf('probe', { image, envVars: { version: 'new', ...shortCalls } }))
    await eventually('the switch', () => path.endpoints('probe')[0] !== old && path.endpoints('probe').length === 1)
    assert.equal(await slow, 'old')
    assert.equal(await ask(old, '/version'), 'old', 'it runs on until it is drained')
    provider.drained(old.instance)
    provider.drained(old.instance)
    provider.drained('nobody')
    await eventually('the old replica is gone', () => ask(old, '/version').then(() => false, () => true))
    assert.equal(await path.call('probe', '/version'), 'new')
  })

  test('a new version that ends at its start leaves the old one serving, and is reported', async () => {
    await using world = await open()
    const { provider, path } = world
    const image = await world.makeImage('probe')
    await provider.apply(specOf('probe', { image, envVars: { version: 'good' } }))
    const good = await path.ready('probe')
    await provider.apply(specOf('probe', { image, envVars: { crash: '1' } }))
    const failed = await eventually('the failure is reported', async () =>
      (await provider.get(refOf('probe')))?.conditions.find(({ reason }) => reason === 'UpdateFailed'))
    assert.match(failed.message, /code 3/)
    assert.ok(failed.lastLines?.includes('crashing as asked'), JSON.stringify(failed))
    assert.deepEqual(path.endpoints('probe'), good)
    assert.equal((await provider.get(refOf('probe')))?.spec.envVars['crash'], '1')

    await provider.apply(specOf('probe', { image, envVars: { version: 'better' } }))
    await eventually('the next version', async () => await path.call('probe', '/version') === 'better')
    assert.deepEqual((await provider.get(refOf('probe')))?.conditions, [])
  })

  test('of many deployments in a row the last one wins, and no replica is left over', async () => {
    await using world = await open()
    const { provider, path } = world
    const image = await world.makeImage('probe')
    await Promise.all(Array.from({ length: 8 }, (_, index) =>
      provider.apply(specOf('probe', { image, envVars: { version: String(index), ...shortCalls } }))))
    await eventually('the last version', async () =>
      path.endpoints('probe').length === 1 && await path.call('probe', '/version') === '7')
    for (const endpoint of path.left) {
      await eventually(`${endpoint.instance} is gone`, () => ask(endpoint, '/version').then(() => false, () => true))
    }
    assert.equal((await provider.get(refOf('probe')))?.availableReplicas, 1)
  })
}
