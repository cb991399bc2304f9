/** The promises of the store's port, for every adapter. */
import * as assert from 'node:assert/strict'
import type { Draft, Entry, Store } from '../../../functions/cache/store.ts'
import { test } from '../../kit.ts'

export type StoreWorld = {
  readonly store: Store
  /** Lets so much time pass for the store. */
  pass(ms: number): void | Promise<void>
}

const TEN_SECONDS_MS = 10_000

export function draftOf(text: string, more: Partial<Draft> = {}): Draft {
  return { value: Buffer.from(text), contentType: 'text/plain', freshMs: undefined, staleMs: 0, tags: [], ...more }
}

export function textOf(entry: Entry | undefined): string | undefined {
  return entry && Buffer.from(entry.value).toString()
}

/** `open` gives an empty store with room for a few megabytes. */
export function storeContract(open: () => Promise<StoreWorld>): void {
  const put = async (store: Store, key: string, text: string, more?: Partial<Draft>, space = 's'): Promise<Entry | undefined> =>
    store.update(space, key, () => draftOf(text, more))

  test('what was written is read: bytes, type, times, tags', async () => {
    const { store } = await open()
    const value = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
    const written = await store.update('s', 'k', () => ({ value, contentType: 'image/png', freshMs: TEN_SECONDS_MS, staleMs: 5_000, tags: ['a', 'b'] }))
    const read = await store.get('s', 'k')
    assert.deepEqual(Buffer.from(read?.value ?? []), value)
    assert.deepEqual([read?.contentType, read?.staleMs, read?.tags], ['image/png', 5_000, ['a', 'b']])
    assert.equal(read?.version, written?.version)
    assert.match(read?.version ?? '', /^[-0-9a-zA-Z]+$/)
    assert.ok((read?.freshForMs ?? 0) > 0 && (read?.freshForMs ?? Infinity) <= TEN_SECONDS_MS)
    assert.equal((await put(store, 'end', 'less'))?.freshForMs, undefined)
  })

  test('a value is kept as it was when it was written, small and large', async () => {
    const { store } = await open()
    for (const size of [0, 1, 4096, 4097, 300_000]) {
      const whole = Buffer.alloc(size + 10, 'x')
      const read = await store.update('s', `of ${size}`, () => draftOf('', { value: whole.subarray(5, 5 + size) }))
      assert.equal(textOf(read), 'x'.repeat(size))
      assert.equal(textOf(await store.get('s', `of ${size}`)), 'x'.repeat(size))
    }
  })

  test('keys of any text are kept apart, and so are spaces', async () => {
    const { store } = await open()
    const keys = ['a', 'A', 'a ', 'ä', 'a\u0308', '日本', '😀', 'x'.repeat(512), '__proto__', '\0', 's/k']
    for (const key of keys) await put(store, key, `of ${key}`)
    await put(store, 'a', 'elsewhere', {}, 's/a')
    for (const key of keys) assert.equal(textOf(await store.get('s', key)), `of ${key}`)
    assert.equal(textOf(await store.get('s/a', 'a')), 'elsewhere')
    assert.equal(await store.get('S', 'a'), undefined)
  })

  test('each write has a version of its own', async () => {
    const { store } = await open()
    const versions = new Set<string | undefined>()
    for (const key of ['a', 'b', 'a', 'a']) versions.add((await put(store, key, 'same'))?.version)
    await store.update('s', 'a', () => undefined)
    versions.add((await put(store, 'a', 'same'))?.version)
    for (const version of await store.putAll('s', [['a', draftOf('same')], ['c', draftOf('same')]])) versions.add(version)
    assert.equal(versions.size, 7)
  })

  test('a change sees what is there, and decides', async () => {
    const { store } = await open()
    const seen: (string | undefined)[] = []
    const add = (present: Entry | undefined): Draft => {
      seen.push(textOf(present))
      return draftOf(`${textOf(present) ?? ''}+`)
    }
    assert.equal(textOf(await store.update('s', 'k', add)), '+')
    assert.equal(textOf(await store.update('s', 'k', add)), '++')
    assert.equal(await store.update('s', 'k', () => undefined), undefined)
    assert.equal(await store.get('s', 'k'), undefined)
    assert.equal(await store.update('s', 'k', () => undefined), undefined)
    assert.deepEqual(seen, [undefined, '+'])
  })

  test('a change that throws changes nothing', async () => {
    const { store } = await open()
    const before = await put(store, 'k', 'before', { tags: ['t'] })
    await assert.rejects(async () => store.update('s', 'k', () => { throw new Error('not that way') }), /not that way/)
    await assert.rejects(async () => store.update('s', 'other', () => { throw new Error('not that way') }), /not that way/)
    assert.equal((await store.get('s', 'k'))?.version, before?.version)
    assert.equal(await store.get('s', 'other'), undefined)
  })

  test('changes of one key at the same time are all counted', async () => {
    const { store } = await open()
    const add = (present: Entry | undefined): Draft => draftOf(String(Number(textOf(present) ?? 0) + 1))
    await Promise.all(Array.from({ length: 200 }, async () => store.update('s', 'k', add)))
    assert.equal(textOf(await store.get('s', 'k')), '200')
  })

  test('an entry is fresh, then stale, then gone', async () => {
    const { store, pass } = await open()
    await put(store, 'k', 'v', { freshMs: 2_000, staleMs: 3_000 })
    await pass(1_000)
    assert.ok(((await store.get('s', 'k'))?.freshForMs ?? 0) > 0)
    await pass(1_500)
    const stale = await store.get('s', 'k')
    assert.equal(textOf(stale), 'v')
    assert.ok((stale?.freshForMs ?? 0) <= 0)
    await pass(3_000)
    assert.equal(await store.get('s', 'k'), undefined)
    await store.update('s', 'k', (present) => {
      assert.equal(present, undefined)
      return draftOf('new', { freshMs: -1, staleMs: 1_000 })
    })
    assert.ok(((await store.get('s', 'k'))?.freshForMs ?? 1) <= 0, 'it was written stale')
  })

  test('several are written in one step, the last of the same key counts', async () => {
    const { store } = await open()
    const versions = await store.putAll('s', [['a', draftOf('1')], ['b', draftOf('2')], ['a', draftOf('3', { tags: ['t'] })]])
    assert.equal(versions.length, 3)
    assert.deepEqual([textOf(await store.get('s', 'a')), textOf(await store.get('s', 'b'))], ['3', '2'])
    assert.equal((await store.get('s', 'a'))?.version, versions[2])
    assert.equal(await store.removeTagged('s', ['t']), 1)
  })

  test('a tag removes every entry of its space that has it, and no other', async () => {
    const { store } = await open()
    await put(store, 'a', '1', { tags: ['red', 'round'] })
    await put(store, 'b', '2', { tags: ['red'] })
    await put(store, 'c', '3', { tags: ['round'] })
    await put(store, 'd', '4')
    await put(store, 'a', 'elsewhere', { tags: ['red'] }, 'other')
    assert.equal(await store.removeTagged('s', ['red', 'unknown']), 2)
    const left = await Promise.all(['a', 'b', 'c', 'd'].map(async (key) => textOf(await store.get('s', key))))
    assert.deepEqual(left, [undefined, undefined, '3', '4'])
    assert.equal(textOf(await store.get('other', 'a')), 'elsewhere')
    // A later write has other tags.
    await put(store, 'c', '5', { tags: ['blue'] })
    assert.equal(await store.removeTagged('s', ['round']), 0)
    assert.equal(await store.removeTagged('s', ['blue']), 1)
  })

  test('a space is cleared, and no other', async () => {
    const { store } = await open()
    for (let i = 0; i < 50; i++) await put(store, `k${i}`, 'v', { tags: ['t'] })
    await put(store, 'k0', 'v', {}, 's/group')
    assert.equal(await store.clear('s'), 50)
    assert.equal(await store.clear('s'), 0)
    assert.equal(await store.get('s', 'k0'), undefined)
    assert.equal(await store.removeTagged('s', ['t']), 0)
    assert.equal(textOf(await store.get('s/group', 'k0')), 'v')
  })

  test('what is not kept goes, while others write', async () => {
    const { store } = await open()
    const seen = new Set<string>()
    for (let i = 0; i < 5_000; i++) await put(store, `k${i}`, 'v', { tags: ['t'] }, `s${i % 3}`)
    const retained = store.retain((space, key) => {
      seen.add(`${space} ${key}`)
      return space === 's1' && key.endsWith('0')
    })
    await put(store, 'late', 'v', {}, 's2')
    for (let i = 0; i < 3; i++) await store.clear(`s${i === 1 ? 'nothing' : 0}`)
    assert.ok(await retained <= 5_001 - 167)
    const { entries } = await store.stats()
    assert.ok(entries === 167 || entries === 168, String(entries))
    assert.equal(textOf(await store.get('s1', 'k10')), 'v')
    assert.equal(await store.get('s1', 'k1'), undefined)
    assert.ok(seen.has('s1 k10'))
    await store.clear('s1')
    assert.equal(await store.removeTagged('s1', ['t']), 0)
  })

  test('it counts', async () => {
    const { store, pass } = await open()
    const before = await store.stats()
    await put(store, 'a', '1', { freshMs: 1_000, staleMs: 1_000 })
    await put(store, 'b', '2')
    await store.get('s', 'a')
    await store.get('s', 'nothing')
    await pass(1_500)
    await store.get('s', 'a')
    await pass(1_000)
    await store.get('s', 'a')
    await store.update('s', 'b', () => undefined)
    const { hits, staleHits, misses, writes, removals, expirations, entries, bytes } = await store.stats()
    assert.deepEqual({ hits, staleHits, misses, writes, removals, expirations, entries }, {
      hits: before.hits + 1, staleHits: before.staleHits + 1, misses: before.misses + 2, writes: before.writes + 2,
      removals: before.removals + 1, expirations: before.expirations + 1, entries: 0,
    })
    assert.equal(bytes, before.bytes)
  })
}
