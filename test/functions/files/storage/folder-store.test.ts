import * as assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Disk } from '../../../../functions/files/storage/disk.ts'
import { createFolderStore } from '../../../../functions/files/storage/folder-store.ts'
import { nodeDisk } from '../../../../functions/files/storage/node-disk.ts'
import { StoreError } from '../../../../functions/files/storage/store-error.ts'
import { test } from '../../../kit.ts'
import { createForgetfulDisk } from '../../data/engine/forgetful-files.ts'
import { sha256 } from '../stage.ts'
import { bytesIn, keep, storeContract } from './store-contract.ts'

const open = async (disk: Disk, folder: string) => {
  const store = createFolderStore({ disk, folder, trustsFolder: true })
  await store.start()
  return store
}

storeContract('a folder of this machine', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-store-'))
  return { open: () => open(nodeDisk, join(folder, 'files')), [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) }
})

storeContract('a disk of the tests', async () => {
  const disk = createForgetfulDisk()
  return { open: () => open(disk.view(), '/volume/files'), [Symbol.asyncDispose]: async () => undefined }
})

test('a full disk takes nothing half, and takes again when there is room', async () => {
  const disk = createForgetfulDisk()
  const store = await open(disk.view(), '/volume/files')
  const small = await keep(store, 'small', Buffer.from('abc'))
  disk.capacityBytes = 100
  await assert.rejects(keep(store, 'large', Buffer.alloc(200)), (error: unknown) => error instanceof StoreError && error.code === 'FULL')
  assert.deepEqual(await Array.fromAsync(store.contents()), [small])
  await store.removePart('large')
  disk.capacityBytes = 1000
  await keep(store, 'large', Buffer.alloc(200))
  assert.equal((await bytesIn(store.read(small, 0, 3))).toString(), 'abc')
})

test('a content that was damaged is replaced by the one that is stored again', async () => {
  const disk = createForgetfulDisk()
  const store = await open(disk.view(), '/volume/files')
  const hash = await keep(store, 'one', Buffer.from('abc'))
  disk.damage(`/volume/files/contents/${hash.slice(0, 2)}/${hash}`, () => Buffer.from('axc'))
  assert.equal((await bytesIn(store.read(hash, 0, 3))).toString(), 'axc')
  await keep(store, 'two', Buffer.from('abc'))
  assert.equal((await bytesIn(store.read(sha256('abc'), 0, 3))).toString(), 'abc')
})
