/** Collecting contents while somebody stores one of them again. */
import * as assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import { createWriteFile } from '../../../functions/files/catalog/write-file.ts'
import { createQuotas } from '../../../functions/files/catalog/usage.ts'
import { createFolderStore } from '../../../functions/files/storage/folder-store.ts'
import { createHashLocks } from '../../../functions/files/storage/hash-locks.ts'
import { createUpkeep } from '../../../functions/files/upkeep.ts'
import type { Database } from '../../../template/node-ts/runtime/service/database.ts'
import { test } from '../../kit.ts'
import { createForgetfulDisk } from '../data/engine/forgetful-files.ts'
import { createSqliteDatabase } from './sqlite-database.ts'
import { keep } from './storage/store-contract.ts'

const LIMITS = { defaultQuotaBytes: 1e9, maxFiles: 100, maxVersions: 10, hookOf: () => undefined }
const log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }
const BYTES = Buffer.from('stored, removed and stored again')

async function world(around: (db: Database) => Database = (db) => db) {
  let nowMs = 1_000_000
  const db = createSqliteDatabase()
  const store = createFolderStore({ disk: createForgetfulDisk().view(), folder: '/files', trustsFolder: true })
  await store.start()
  const locks = createHashLocks()
  const writeFile = createWriteFile({ db, quotas: createQuotas({ db, ...LIMITS }), ...LIMITS, nowMs: () => nowMs })
  const upkeep = createUpkeep({ db: around(db), store, locks, isLive: () => false, trashMs: 1000, orphanMs: 1000, log, nowMs: () => nowMs })
  const write = (hash: string, path: string) => writeFile.write({ owner: 'ada', path, writeId: path, hash, sizeBytes: BYTES.length, contentType: 'text/plain' })
  return { db, store, locks, upkeep, write, later() { nowMs += 2000 } }
}

test('a content that nobody names is collected in the second look, and not in the first', async () => {
  const { store, upkeep, later } = await world()
  const hash = await keep(store, 'p', BYTES)
  assert.equal((await upkeep.round()).contents, 0)
  later()
  assert.equal((await upkeep.round()).contents, 1)
  assert.equal(await store.sizeOf(hash), undefined)
})

test('a content that is stored again while it is collected stays', async () => {
  let during: (() => void) | undefined
  const here = await world((db) => ({
    ...db,
    async query(sql, parameters) {
      const rows = await db.query(sql, parameters)
      // Nobody names it, the collector has heard; and now somebody comes.
      if (sql.includes('thumbnail_hash IN')) {
        during?.()
        during = undefined
      }
      return rows
    },
  }))
  const hash = await keep(here.store, 'p', BYTES)
  await here.upkeep.round()
  here.later()
  let storing: Promise<unknown> | undefined
  during = () => {
    storing = here.locks(hash, async () => {
      await keep(here.store, 'q', BYTES)
      // The catalog takes its time.
      for (let turns = 0; turns < 20; turns++) await turn()
      await here.write(hash, 'again.txt')
    })
  }
  assert.equal((await here.upkeep.round()).contents, 0)
  await storing
  assert.equal(await here.store.sizeOf(hash), BYTES.length)
  here.later()
  await here.upkeep.round()
  here.later()
  await here.upkeep.round()
  assert.equal(await here.store.sizeOf(hash), BYTES.length)
})
