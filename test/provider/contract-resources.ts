/** The port's promises about secrets and namespaces. */
import * as assert from 'node:assert/strict'
import { DEFAULT_NAMESPACE, type Secret } from '../../platform/openfaas/types.ts'
import { eventually, test } from '../kit.ts'
import type { ContractWorld } from './contract.ts'
import { refuses } from './rejections.ts'
import { refOf, specOf } from './spec-of.ts'

export function resources(open: () => Promise<ContractWorld>): void {
  test('secrets are created, listed by name, updated and removed, each in its namespace', async () => {
    await using world = await open()
    const { secrets, namespaces } = world.provider
    await namespaces.create({ name: 'other', labels: {}, annotations: {} })
    await secrets.create(secretOf('b', '1'))
    await secrets.create(secretOf('a.b', '1'))
    await secrets.create({ ...secretOf('b', '1'), namespace: 'other' })
    assert.deepEqual(await secrets.list(DEFAULT_NAMESPACE), [
      { name: 'a.b', namespace: DEFAULT_NAMESPACE }, { name: 'b', namespace: DEFAULT_NAMESPACE },
    ])
    await refuses('CONFLICT', ['b'], () => secrets.create(secretOf('b', '2')))
    await refuses('NOT_FOUND', ['c'], () => secrets.update(secretOf('c', '2')))
    await refuses('NOT_FOUND', ['c'], () => secrets.remove(refOf('c')))
    await refuses('NOT_FOUND', ['nowhere'], () => secrets.create({ ...secretOf('b', '1'), namespace: 'nowhere' }))
    await refuses('NOT_FOUND', ['nowhere'], () => secrets.list('nowhere'))
    await secrets.remove(refOf('b'))
    assert.deepEqual((await secrets.list(DEFAULT_NAMESPACE)).map(({ name }) => name), ['a.b'])
    assert.deepEqual((await secrets.list('other')).map(({ name }) => name), ['b'])
  })

  test('a function reads its secrets byte by byte, and a new value after the next deployment', async () => {
    await using world = await open()
    const { provider, path } = world
    await provider.secrets.create(secretOf('api-key', 'one'))
    await provider.secrets.create(secretOf('other-key', 'not yours'))
    const spec = specOf('probe', { image: await world.makeImage('probe'), secrets: ['api-key'] })
    await provider.apply(spec)
    await path.ready('probe')
    assert.equal(await path.call('probe', '/secret?name=api-key'), 'one')
    assert.equal(await path.call('probe', '/secret?name=other-key'), 'ENOENT')

    await provider.secrets.update(secretOf('api-key', 'two\n'))
    await provider.apply({ ...spec })
    await eventually('the new value', async () => await path.call('probe', '/secret?name=api-key') === 'two\n')

    await provider.secrets.remove(refOf('api-key'))
    assert.equal(await path.call('probe', '/secret?name=api-key'), 'two\n', 'running replicas keep theirs')
    await refuses('INVALID', ['api-key'], () => provider.apply({ ...spec, envVars: { a: '1' } }))
  })

  test('a secret that is too large is refused', async () => {
    await using world = await open()
    await refuses('INVALID', ['big'], () => world.provider.secrets.create({ ...refOf('big'), value: new Uint8Array(2 * 2 ** 20) }))
    assert.deepEqual(await world.provider.secrets.list(DEFAULT_NAMESPACE), [])
  })

  test('namespaces are created, listed, changed and removed; the default one is always there', async () => {
    await using world = await open()
    const { namespaces } = world.provider
    assert.deepEqual(await namespaces.list(), [{ name: DEFAULT_NAMESPACE, labels: {}, annotations: {} }])
    const staging = { name: 'staging', labels: { openfaas: '1' }, annotations: { owner: 'me' } }
    await namespaces.create(staging)
    assert.deepEqual((await namespaces.list()).map(({ name }) => name), [DEFAULT_NAMESPACE, 'staging'])
    assert.deepEqual(await namespaces.get('staging'), staging)
    await refuses('CONFLICT', ['staging'], () => namespaces.create(staging))
    await refuses('CONFLICT', [DEFAULT_NAMESPACE], () => namespaces.create({ ...staging, name: DEFAULT_NAMESPACE }))
    await namespaces.update({ ...staging, annotations: {} })
    assert.deepEqual((await namespaces.get('staging'))?.annotations, {})
    await refuses('NOT_FOUND', ['nowhere'], () => namespaces.update({ ...staging, name: 'nowhere' }))
    await refuses('NOT_FOUND', ['nowhere'], () => namespaces.remove('nowhere'))
    await refuses('INVALID', [DEFAULT_NAMESPACE], () => namespaces.remove(DEFAULT_NAMESPACE))
    await namespaces.remove('staging')
    assert.equal(await namespaces.get('staging'), undefined)
  })

  test('a namespace goes with its functions and secrets, and comes back empty', async () => {
    await using world = await open()
    const { provider, path } = world
    const image = await world.makeImage('probe')
    const staging = { name: 'staging', labels: { openfaas: '1' }, annotations: {} }
    await provider.namespaces.create(staging)
    await provider.secrets.create({ ...secretOf('key', '1'), namespace: 'staging' })
    await provider.apply(specOf('probe', { image, namespace: 'staging', secrets: ['key'] }))
    await provider.apply(specOf('probe', { image, labels: { 'com.openfaas.scale.min': '0' } }))
    await path.ready('probe', 1, 'staging')
    await provider.namespaces.remove('staging')
    assert.equal(path.route('probe', 'staging'), undefined)
    assert.ok(path.route('probe'), 'the one of the same name in another namespace stays')
    await refuses('NOT_FOUND', ['staging'], () => provider.list('staging'))
    await provider.namespaces.create(staging)
    assert.deepEqual(await provider.list('staging'), [])
    assert.deepEqual(await provider.secrets.list('staging'), [])
  })
}

function secretOf(name: string, value: string): Secret {
  return { name, namespace: DEFAULT_NAMESPACE, value: Buffer.from(value) }
}
