import * as assert from 'node:assert/strict'
import { affinityKey, chooseByKey, chooseReplica, type Placed, placeSeed } from '../../platform/gateway/affinity.ts'
import { createPlaces } from '../../platform/gateway/places.ts'
import type { Route } from '../../platform/provider/provider.ts'
import { cases, test } from '../kit.ts'

const NOW_MS = 1_000
const KEYS = Array.from({ length: 20_000 }, (_, i) => `/pages/user-${i}`)
const ref = { name: 'cache', namespace: 'openfaas-fn' }

type Replica = { -readonly [Name in keyof Placed]: Placed[Name] } & { readonly place: number }

function replicasAt(...places: readonly number[]): Replica[] {
  return places.map((place) => ({ place, placeSeed: placeSeed(place), inFlight: 0, failures: 0, asideUntilMs: 0, isSilent: false }))
}

/** The place of each key. */
function placesOf(replicas: readonly Replica[], except?: Replica): number[] {
  return KEYS.map((key) => chooseByKey(replicas, key, NOW_MS, except)?.place ?? -1)
}

function share(one: readonly number[], isCounted: (place: number, index: number) => boolean): number {
  return one.filter(isCounted).length / one.length
}

cases('the key of a call', [
  { name: 'is a segment', affinity: { by: 'path', segments: [2] }, path: '/v1/pages/keys/a', key: '/pages' },
  { name: 'is several segments', affinity: { by: 'path', segments: [2, 4] }, path: '/v1/pages/keys/a?ttl_ms=1/2/3', key: '/pages/a' },
  { name: 'is the segment as it is meant', affinity: { by: 'path', segments: [1] }, path: '/%41%2fb', key: '/A/b' },
  { name: 'is the segment as it stands, when nobody knows what is meant', affinity: { by: 'path', segments: [1] }, path: '/%ff', key: '/%ff' },
  { name: 'is missing with the segment', affinity: { by: 'path', segments: [2, 4] }, path: '/v1/stats?a/b/c/d', key: undefined },
  { name: 'is missing when the segment is empty', affinity: { by: 'path', segments: [2] }, path: '/v1//keys', key: undefined },
  { name: 'is a header in any case', affinity: { by: 'header', name: 'x-cart' }, path: '/', key: 'c 1' },
  { name: 'is missing with the header', affinity: { by: 'header', name: 'x-care' }, path: '/', key: undefined },
] as const, ({ affinity, path, key }) => assert.equal(affinityKey(affinity, path, ['Accept', '*/*', 'X-CART', 'c 1']), key))

test('keys are spread evenly, and the same key always has the same place', () => {
  for (const count of [2, 3, 5, 8]) {
    const replicas = replicasAt(...Array.from({ length: count }, (_, i) => i))
    const all = placesOf(replicas)
    for (const { place } of replicas) {
      const part = share(all, (one) => one === place) * count
      assert.ok(part > 0.93 && part < 1.07, `place ${place} of ${count} has ${part.toFixed(3)} of its share`)
    }
    assert.deepEqual(placesOf([...replicas].reverse()), all, 'in whatever order they stand')
  }
})

test('keys that differ in one character only are spread as well', () => {
  const replicas = replicasAt(0, 1, 2)
  const counts = [0, 0, 0]
  for (let i = 0; i < 3000; i++) counts[chooseByKey(replicas, String.fromCharCode(0x100 + i), NOW_MS)?.place ?? 0]! += 1
  for (const count of counts) assert.ok(count > 850 && count < 1150, String(counts))
})

test('one replica more moves its share of the keys, and all of them to itself', () => {
  for (const count of [1, 2, 3, 5, 9]) {
    const places = Array.from({ length: count }, (_, i) => i)
    const before = placesOf(replicasAt(...places))
    const after = placesOf(replicasAt(...places, count))
    const moved = share(after, (place, i) => place !== before[i])
    assert.equal(moved, share(after, (place) => place === count), 'nothing moves between those that were there')
    const expected = 1 / (count + 1)
    assert.ok(Math.abs(moved - expected) < 0.07 * expected, `${count} to ${count + 1} moved ${(moved * 100).toFixed(1)} %, not ${(expected * 100).toFixed(1)} %`)
  }
})

cases('a replica that can take no call loses its keys and no others', [
  { name: 'gone from the route', take: (all: Replica[]) => { all.splice(1, 1) } },
  { name: 'set aside', take: (all: Replica[]) => { all[1]!.asideUntilMs = NOW_MS + 1 } },
  { name: 'silent', take: (all: Replica[]) => { all[1]!.isSilent = true } },
], ({ take }) => {
  const replicas = replicasAt(0, 1, 2, 3)
  const before = placesOf(replicas)
  take(replicas)
  const after = placesOf(replicas)
  assert.ok(after.every((place, i) => place !== 1 && (before[i] === 1 || before[i] === place)))
  // Spread over all that are left, so that none of them is the next to fall.
  for (const place of [0, 2, 3]) assert.ok(share(after, (one, i) => one === place && before[i] === 1) > 0.06)
})

test('a call that has failed on its replica goes to the next in the ranking', () => {
  const replicas = replicasAt(0, 1, 2)
  const [first, second] = replicas
  assert.ok(first && second)
  const key = KEYS.find((one) => chooseByKey(replicas, one, NOW_MS) === first) ?? ''
  const next = chooseByKey(replicas, key, NOW_MS, first)
  first.asideUntilMs = NOW_MS + 1
  assert.equal(chooseByKey(replicas, key, NOW_MS), next)
  for (const one of replicas) one.isSilent = true
  assert.equal(chooseByKey(replicas, key, NOW_MS), undefined)
})

test('a call without the key, and any call of a function without affinity, goes to the least busy', () => {
  const replicas = replicasAt(0, 1)
  replicas[0]!.inFlight = 1
  const call = { path: '/v1/stats', headers: [] }
  assert.equal(chooseReplica({ replicas, affinity: { by: 'path', segments: [2, 4] } }, call, NOW_MS)?.place, 1)
  assert.equal(chooseReplica({ replicas, affinity: undefined }, { ...call, path: '/v1/a/keys/b' }, NOW_MS)?.place, 1)
})

test('a replica keeps its place, and the one that comes for a lost one takes its place', () => {
  const place = createPlaces()
  const placed = (...instances: readonly string[]): readonly number[] | undefined => {
    const route: Route = { ref, replicas: 3, endpoints: instances.map((instance) => ({ instance, host: '127.0.0.1', port: 1 })), affinity: { by: 'path', segments: [1] } }
    return place({ ref, route }).route?.places
  }
  assert.deepEqual(placed('a', 'b', 'c'), [0, 1, 2])
  assert.deepEqual(placed('b', 'c'), [1, 2], 'a is lost')
  assert.deepEqual(placed('b', 'c', 'd'), [1, 2, 0], 'd takes its place')
  assert.deepEqual(placed('c', 'd'), [2, 0])
  assert.deepEqual(placed('e', 'f', 'c', 'd'), [1, 3, 2, 0], 'in the order of the route')
  assert.deepEqual(placed('x', 'y'), [0, 1], 'all others are gone')
  const plain: Route = { ref, replicas: 1, endpoints: [{ instance: 'x', host: '127.0.0.1', port: 1 }] }
  assert.deepEqual(place({ ref, route: plain }), { ref, route: plain }, 'without an affinity nothing is added')
  assert.deepEqual(place({ ref, route: undefined }), { ref, route: undefined })
})
