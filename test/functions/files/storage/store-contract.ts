/** What every store must do, whatever it lies on. */
import * as assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { StoreError } from '../../../../functions/files/storage/store-error.ts'
import type { Store } from '../../../../functions/files/storage/store.ts'
import { test } from '../../../kit.ts'
import { sha256 } from '../stage.ts'

export type StoreWorld = AsyncDisposable & {
  /** Another one on what the one before has left. */
  open(): Promise<Store>
}

export async function bytesIn(content: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(content))
}

export async function keep(store: Store, id: string, bytes: Uint8Array): Promise<string> {
  const part = await store.openPart(id, 0)
  await part.write([bytes.subarray(0, 3), bytes.subarray(3)])
  await part.keep(sha256(bytes))
  await part.close()
  return sha256(bytes)
}

const isMissing = (error: unknown): boolean => error instanceof StoreError && error.code === 'MISSING'

export function storeContract(name: string, world: () => Promise<StoreWorld>): void {
  test(`${name}: a content is kept and read, whole and in part, by this store and the next`, async () => {
    await using here = await world()
    const bytes = randomBytes(500_000)
    let store = await here.open()
    const hash = await keep(store, 'one', bytes)
    for (let times = 0; times < 2; times++) {
      assert.equal(await store.sizeOf(hash), bytes.length)
      assert.ok((await bytesIn(store.read(hash, 0, bytes.length))).equals(bytes))
      assert.ok((await bytesIn(store.read(hash, 130_000, 300_001))).equals(bytes.subarray(130_000, 300_001)))
      assert.deepEqual(await Array.fromAsync(store.contents()), [hash])
      assert.deepEqual(await store.parts(), [])
      store = await here.open()
    }
  })

  test(`${name}: the same content twice is there once, and nothing is a content too`, async () => {
    await using here = await world()
    const store = await here.open()
    for (const id of ['one', 'two']) await keep(store, id, Buffer.from('same'))
    const nothing = await keep(store, 'three', Buffer.alloc(0))
    assert.deepEqual((await Array.fromAsync(store.contents())).sort(), [sha256('same'), nothing].sort())
    assert.equal(await store.sizeOf(nothing), 0)
  })

  test(`${name}: a part goes on after its store has ended, from any byte that it had`, async () => {
    await using here = await world()
    let store = await here.open()
    const first = await store.openPart('p', 0)
    await first.write([Buffer.from('abcdef')])
    await first.sync()
    await first.close()
    store = await here.open()
    assert.deepEqual(await store.parts(), ['p'])
    const second = await store.openPart('p', 4)
    await second.write([Buffer.from('xyz')])
    assert.equal((await bytesIn(second.read(0, 7))).toString(), 'abcdxyz')
    await second.keep(sha256('abcdxyz'))
    assert.equal((await bytesIn(store.read(sha256('abcdxyz'), 0, 7))).toString(), 'abcdxyz')
    assert.deepEqual(await store.parts(), [])
  })

  test(`${name}: a part that has less than it should is missing, and so is one that is not there`, async () => {
    await using here = await world()
    const store = await here.open()
    const part = await store.openPart('p', 0)
    await part.write([Buffer.from('abc')])
    await part.close()
    await assert.rejects(store.openPart('p', 4), isMissing)
    await assert.rejects(store.openPart('q', 1), isMissing)
    await store.removePart('p')
    await store.removePart('p')
    assert.deepEqual(await store.parts(), [])
  })

  test(`${name}: a content that is not there has no size and no bytes, and need not be removed`, async () => {
    await using here = await world()
    const store = await here.open()
    const hash = await keep(store, 'p', Buffer.from('abc'))
    await store.remove(hash)
    await store.remove(hash)
    assert.equal(await store.sizeOf(hash), undefined)
    await assert.rejects(bytesIn(store.read(hash, 0, 3)), isMissing)
    assert.deepEqual(await Array.fromAsync(store.contents()), [])
  })
}
