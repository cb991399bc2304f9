/** The port's promises about logs. */
import * as assert from 'node:assert/strict'
import type { LogMessage, LogQuery } from '../../platform/openfaas/types.ts'
import type { Provider } from '../../platform/provider/provider.ts'
import { eventually, test } from '../kit.ts'
import type { ContractWorld } from './contract.ts'
import { ask } from './data-path.ts'
import { refuses } from './rejections.ts'
import { refOf, specOf } from './spec-of.ts'

export function logging(open: () => Promise<ContractWorld>): void {
  test('lines of all replicas are read in order, the last ones, since a time, of one replica', async () => {
    await using world = await open()
    const { provider, path } = world
    await provider.apply(specOf('probe', {
      image: await world.makeImage('probe'), labels: { 'com.openfaas.scale.min': '2' },
    }))
    const [one, two] = await path.ready('probe', 2)
    assert.ok(one && two)
    for (const [index, endpoint] of [one, two, one, two].entries()) {
      await ask(endpoint, `/print?text=line-${index}`)
      await eventually('the line', async () => (await read(provider)).some(({ text }) => text === `line-${index}`))
    }
    const all = await read(provider)
    assert.deepEqual(all.map(({ text }) => text), ['line-0', 'line-1', 'line-2', 'line-3'])
    assert.deepEqual(all.map(({ instance }) => instance), [one, two, one, two].map(({ instance }) => instance))
    assert.ok(all.every(({ name, namespace }) => name === 'probe' && namespace === refOf('probe').namespace))
    const times = all.map(({ timestamp }) => timestamp.getTime())
    assert.deepEqual(times, times.toSorted((a, b) => a - b))
    assert.deepEqual((await read(provider, { tail: 2 })).map(({ text }) => text), ['line-2', 'line-3'])
    assert.deepEqual((await read(provider, { tail: 99 })).length, 4)
    assert.deepEqual((await read(provider, { instance: two.instance })).map(({ text }) => text), ['line-1', 'line-3'])
    const third = all[2]?.timestamp
    assert.ok(third)
    const since = await read(provider, { since: third })
    assert.ok(since.length >= 2 && since.every(({ timestamp }) => timestamp >= third))
    assert.deepEqual(await read(provider, { since: new Date(Date.now() + 60_000) }), [])
  })

  test('a followed log goes on with replicas that start later, and ends with its reader', async () => {
    await using world = await open()
    const { provider, path } = world
    const image = await world.makeImage('probe')
    await provider.apply(specOf('probe', { image, envVars: { say: 'hello from the first' } }))
    await path.ready('probe')
    const stop = new AbortController()
    const seen: LogMessage[] = []
    const following = (async () => {
      for await (const message of provider.logs({ ...refOf('probe'), follow: true }, stop.signal)) seen.push(message)
    })()
    await eventually('the first line', () => seen.some(({ text }) => text === 'hello from the first'))
    await provider.apply(specOf('probe', { image, envVars: { say: 'hello from the second' } }))
    await eventually('a line of the new version', () => seen.some(({ text }) => text === 'hello from the second'))
    await path.ready('probe')
    await eventually('a line printed later', async () => {
      await path.call('probe', '/print?text=later')
      return seen.some(({ text }) => text === 'later')
    })
    stop.abort()
    await following
  })

  test('a followed log ends when its function is removed', async () => {
    await using world = await open()
    const { provider, path } = world
    await provider.apply(specOf('probe', { image: await world.makeImage('probe') }))
    await path.ready('probe')
    const following = (async () => {
      for await (const _ of provider.logs({ ...refOf('probe'), follow: true }, new AbortController().signal)) { /* read all */ }
    })()
    await path.call('probe', '/print?text=something')
    await provider.remove(refOf('probe'))
    await following
  })

  test('what a replica wrote before it ended can still be read', async () => {
    await using world = await open()
    const { provider, path } = world
    await provider.apply(specOf('probe', { image: await world.makeImage('probe') }))
    const [first] = await path.ready('probe')
    assert.ok(first)
    await ask(first, '/print?text=last-words')
    await ask(first, '/exit?code=1').catch(() => undefined)
    await eventually('another replica', () => path.endpoints('probe').length === 1 && path.endpoints('probe')[0] !== first)
    assert.ok((await read(provider)).some(({ text, instance }) => text === 'last-words' && instance === first.instance))
  })

  test('there are no logs of a function that does not exist', async () => {
    await using world = await open()
    await refuses('NOT_FOUND', ['nobody'], () => read(world.provider, { name: 'nobody' }))
  })
}

async function read(provider: Provider, query: Partial<LogQuery> = {}): Promise<LogMessage[]> {
  return Array.fromAsync(provider.logs({ ...refOf('probe'), follow: false, ...query }, new AbortController().signal))
}
