/** The port's promises about scale, remove, watch and replicas that fail. */
import * as assert from 'node:assert/strict'
import type { RouteChange } from '../../platform/provider/provider.ts'
import { eventually, test } from '../kit.ts'
import type { ContractWorld } from './contract.ts'
import { ask } from './data-path.ts'
import { refuses } from './rejections.ts'
import { refOf, shortCalls, specOf } from './spec-of.ts'

export function lifecycles(open: () => Promise<ContractWorld>): void {
  test('a function is scaled up, down, to nothing and back', async () => {
    await using world = await open()
    const { provider, path } = world
    await provider.apply(specOf('probe', { image: await world.makeImage('probe') }))
    const [first] = await path.ready('probe')
    await provider.scale(refOf('probe'), 3)
    assert.equal((await provider.get(refOf('probe')))?.replicas, 3)
    assert.equal((await path.ready('probe', 3))[0], first, 'those that run stay')
    await provider.scale(refOf('probe'), 3)
    await provider.scale(refOf('probe'), 1)
    assert.deepEqual(await path.ready('probe', 1), [first], 'the youngest go')
    await provider.scale(refOf('probe'), 0)
    assert.equal((await provider.get(refOf('probe')))?.replicas, 0)
    assert.deepEqual(path.route('probe'), { ref: refOf('probe'), replicas: 0, endpoints: [] })
    assert.deepEqual((await provider.get(refOf('probe')))?.conditions, [], 'asleep is not ill')
    await provider.scale(refOf('probe'), 1)
    const [again] = await path.ready('probe', 1)
    // One that had not ended yet may be taken back.
    assert.ok(again === first || again?.instance !== first?.instance, 'a name is never used again by another one')
    await refuses('NOT_FOUND', ['nobody'], () => provider.scale(refOf('nobody'), 1))
    await refuses('INVALID', ['1000000'], () => provider.scale(refOf('probe'), 1_000_000))
    await refuses('INVALID', ['-1'], () => provider.scale(refOf('probe'), -1))
  })

  test('the least that is asked for by label starts, an update keeps what there is unless the least is more', async () => {
    await using world = await open()
    const { provider, path } = world
    const image = await world.makeImage('probe')
    const least = (count: number): { labels: Record<string, string> } => ({ labels: { 'com.openfaas.scale.min': String(count) } })
    await provider.apply(specOf('probe', { image, ...least(0) }))
    assert.deepEqual(path.route('probe'), { ref: refOf('probe'), replicas: 0, endpoints: [] })
    await provider.scale(refOf('probe'), 2)
    await path.ready('probe', 2)
    await provider.apply(specOf('probe', { image, envVars: { a: '1' } }))
    assert.equal((await provider.get(refOf('probe')))?.replicas, 2)
    await provider.apply(specOf('probe', { image, ...least(1) }))
    assert.equal((await provider.get(refOf('probe')))?.replicas, 2)
    await provider.apply(specOf('probe', { image, ...least(3) }))
    assert.equal((await provider.get(refOf('probe')))?.replicas, 3)
    await path.ready('probe', 3)
  })

  test('scaling during an update counts for its result', async () => {
    await using world = await open()
    const { provider, path } = world
    const image = await world.makeImage('probe')
    await provider.apply(specOf('probe', { image, envVars: { version: 'old' } }))
    await path.ready('probe')
    await provider.apply(specOf('probe', { image, envVars: { version: 'new', start_delay_ms: '300' } }))
    await provider.scale(refOf('probe'), 2)
    await path.ready('probe', 2)
    assert.deepEqual(await Promise.all(path.endpoints('probe').map((one) => ask(one, '/version'))), ['new', 'new'])
  })

  test('a removed function is gone at once for callers, and its calls end', async () => {
    await using world = await open()
    const { provider, path } = world
    path.isDraining = false
    const image = await world.makeImage('probe')
    await provider.apply(specOf('probe', { image, envVars: { version: 'old', ...shortCalls } }))
    const [old] = await path.ready('probe')
    assert.ok(old)
    const slow = ask(old, '/version?delay_ms=500')
    await provider.remove(refOf('probe'))
    assert.equal(path.route('probe'), undefined)
    assert.equal(await provider.get(refOf('probe')), undefined)
    await refuses('NOT_FOUND', ['probe'], () => provider.remove(refOf('probe')))

    await provider.apply(specOf('probe', { image, envVars: { version: 'new' } }))
    const [fresh] = await path.ready('probe')
    assert.equal(await path.call('probe', '/version'), 'new')
    assert.equal(await slow, 'old')
    provider.drained(old.instance)
    await eventually('the old replica is gone', () => ask(old, '/version').then(() => false, () => true))
    assert.deepEqual(path.endpoints('probe'), [fresh])
    assert.equal(await path.call('probe', '/version'), 'new')
  })

  test('a watcher is told every route before watch returns, then each change, until it stops', async () => {
    await using world = await open()
    const { provider, path } = world
    const image = await world.makeImage('probe')
    await provider.apply(specOf('probe', { image }))
    await provider.apply(specOf('asleep', { image, labels: { 'com.openfaas.scale.min': '0' } }))
    const [endpoint] = await path.ready('probe')
    const seen: RouteChange[] = []
    const unwatch = provider.watch((change) => seen.push(change))
    const byName = new Map(seen.map(({ ref, route }) => [ref.name, route]))
    assert.deepEqual(byName.get('probe')?.endpoints, [endpoint])
    assert.deepEqual(byName.get('asleep'), { ref: refOf('asleep'), replicas: 0, endpoints: [] })
    await provider.remove(refOf('asleep'))
    assert.deepEqual(seen.at(-1), { ref: refOf('asleep'), route: undefined })
    unwatch()
    const count = seen.length
    await provider.remove(refOf('probe'))
    assert.equal(path.route('probe'), undefined)
    assert.equal(seen.length, count)
  })

  test('a replica that ends by itself leaves the route and is replaced', async () => {
    await using world = await open()
    const { provider, path } = world
    await provider.apply(specOf('probe', { image: await world.makeImage('probe') }))
    const [first] = await path.ready('probe')
    assert.ok(first)
    await ask(first, '/exit?code=1').catch(() => undefined)
    const [second] = await eventually('another replica', () => {
      const all = path.endpoints('probe')
      return all.length === 1 && all[0] !== first && all
    })
    assert.notEqual(second?.instance, first.instance)
    assert.equal(await path.call('probe', '/version'), '1')
  })

  test('a function that keeps ending is in a crash loop, which its last lines explain and a repair ends', async () => {
    await using world = await open()
    const { provider, path } = world
    const image = await world.makeImage('probe')
    await provider.apply(specOf('probe', { image, envVars: { crash: '1' } }))
    const loop = await eventually('the crash loop', async () =>
      (await provider.get(refOf('probe')))?.conditions.find(({ reason }) => reason === 'CrashLoop'))
    assert.match(loop.message, /code 3/)
    assert.ok(loop.lastLines?.includes('crashing as asked'), JSON.stringify(loop))
    assert.equal((await provider.get(refOf('probe')))?.availableReplicas, 0)
    await provider.apply(specOf('probe', { image }))
    await path.ready('probe')
    assert.deepEqual((await provider.get(refOf('probe')))?.conditions, [])
  })

  test('usage is measured when it is asked for', async () => {
    await using world = await open()
    const { provider, path } = world
    await provider.apply(specOf('probe', { image: await world.makeImage('probe') }))
    const [endpoint] = await path.ready('probe')
    assert.ok(endpoint)
    await eventually('work is seen', async () => {
      await ask(endpoint, '/burn?ms=300')
      const usage = (await provider.get(refOf('probe'), { withUsage: true }))?.usage
      return usage && usage.totalMemoryBytes > 2 ** 20 && usage.cpu > 100 && usage.cpu < 4_000
    }, 60_000)
    await provider.scale(refOf('probe'), 0)
    // A process that is ending has no memory before it has no CPU time.
    await eventually('no usage any more', async () => {
      const usage = (await provider.get(refOf('probe'), { withUsage: true }))?.usage
      return usage?.totalMemoryBytes === 0 && usage.cpu === 0
    })
  })
}
