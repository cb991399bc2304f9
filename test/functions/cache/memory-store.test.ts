import * as assert from 'node:assert/strict'
import { costOf } from '../../../functions/cache/kept-entry.ts'
import { createMemoryStore } from '../../../functions/cache/memory-store.ts'
import { test } from '../../kit.ts'
import { draftOf, storeContract, textOf } from './store-contract.ts'

function open(limitBytes = 4 * 1024 * 1024) {
  let now = 1_000
  return { store: createMemoryStore({ limitBytes, nowMs: () => now }), pass: (ms: number) => { now += ms } }
}

storeContract(async () => open())

test('it never holds more than its limit, whatever is written', () => {
  const limitBytes = 256 * 1024
  const { store } = open(limitBytes)
  for (let i = 0; i < 5_000; i++) {
    const text = 'x'.repeat((i * 7919) % 9_000)
    const tags = i % 3 === 0 ? [`tag-${i % 50}`, 'all'] : []
    if (i % 10 === 0) store.putAll(`many-${i % 7}`, [[`a${i}`, draftOf(text, { tags })], [`b${i}`, draftOf(text)]])
    else store.update(`space-${i % 11}`, `key-${i % 997}`, () => draftOf(text, { tags }))
    assert.ok(store.stats().bytes <= limitBytes)
  }
  assert.ok(store.stats().evictions > 1_000)
  assert.ok(store.stats().bytes > limitBytes / 2, 'and it uses it')
  for (let i = 0; i < 11; i++) {
    store.clear(`space-${i}`)
    store.clear(`many-${i}`)
  }
  assert.deepEqual([store.stats().bytes, store.stats().entries, store.stats().spaces], [0, 0, 0], 'nothing is counted that is not there')
})

test('what was used longest ago goes first; reading is using', () => {
  const { store } = open(20_000)
  const write = (key: string): void => { store.update('s', key, () => draftOf('x'.repeat(1_000))) }
  write('first')
  write('second')
  for (let i = 0; store.stats().evictions === 0; i++) {
    store.get('s', 'first')
    write(`k${i}`)
  }
  assert.equal(store.get('s', 'second'), undefined)
  assert.equal(textOf(store.get('s', 'first'))?.length, 1_000)
})

test('an entry larger than the whole store is not kept, nor is anything else lost for good', () => {
  const { store } = open(10_000)
  store.update('s', 'large', () => draftOf('x'.repeat(20_000)))
  assert.equal(store.get('s', 'large'), undefined)
  store.update('s', 'small', () => draftOf('x'))
  assert.equal(textOf(store.get('s', 'small')), 'x')
})

test('what is past its time goes before it is in the way', () => {
  const { store, pass } = open(100_000)
  for (let i = 0; i < 100; i++) store.update('short', `k${i}`, () => draftOf('x'.repeat(100), { freshMs: 1_000 }))
  pass(2_000)
  for (let i = 0; i < 80; i++) store.update('long', `k${i}`, () => draftOf('x'))
  const { evictions, expirations, entries } = store.stats()
  assert.deepEqual([evictions, expirations, entries], [0, 100, 80])
})

test('while all is read all the time, the sweep still comes to the end', () => {
  const { store, pass } = open()
  for (let i = 0; i < 50; i++) store.update('s', `live${i}`, () => draftOf('x'))
  for (let i = 0; i < 50; i++) store.update('s', `over${i}`, () => draftOf('x', { freshMs: 10 }))
  pass(20)
  for (let i = 0; i < 200; i++) {
    store.get('s', `live${i % 50}`)
    store.update('s', 'live0', () => draftOf('y'))
  }
  assert.equal(store.stats().expirations, 50)
})

test('what was removed is not removed once more by the sweep', () => {
  for (let writes = 1; writes < 8; writes++) {
    const { store, pass } = open()
    const keys = Array.from({ length: writes }, (_, i) => `k${i}`)
    for (const key of keys) store.update('s', key, () => draftOf('x', { freshMs: 1_000 }))
    for (const key of keys) store.update('s', key, () => undefined)
    pass(2_000)
    for (let i = 0; i < 5; i++) store.update('s', `n${i}`, () => draftOf('x'))
    assert.deepEqual([store.stats().entries, store.clear('s'), store.stats().bytes], [5, 5, 0])
  }
})

test('versions of two stores are never the same', () => {
  const one = open().store.update('s', 'k', () => draftOf('x'))
  const other = open().store.update('s', 'k', () => draftOf('x'))
  assert.notEqual(one?.version, other?.version)
})

test('a text with wide characters costs what it takes', () => {
  const narrow = costOf({ key: 'é'.repeat(100), value: '', contentType: '', tags: [] })
  assert.equal(costOf({ key: '日'.repeat(100), value: '', contentType: '', tags: [] }) - narrow, 100)
})
