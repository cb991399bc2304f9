/** Collecting contents while somebody stores one of them again. */
import * as assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import { createWriteFile } from '../../../functions/files/catalog/write-file.ts'
import { createQuotas } from '../../../functions/files/catalog/usage.ts'
import { createScrub } from '../../../functions/files/scrub.ts'
import { createFolderStore } from '../../../functions/files/storage/folder-store.ts'
import { createHashLocks } from '../../../functions/files/storage/hash-locks.ts'
import { createUpkeep } from '../../../functions/files/upkeep.ts'
import type { Database } from '../../../template/node-ts/runtime/service/database.ts'
import { eventually, test } from '../../kit.ts'
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
  const scrubEvery = (everyMs: number | undefined) => createScrub({ db, store, everyMs, bytesPerSecond: 1e9, log, nowMs: () => nowMs })
  return { db, store, locks, upkeep, write, scrubEvery, later() { nowMs += 2000 } }
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

test('contents are compared when the last time was long ago, not before, and never where nobody wants it', async () => {
  const { store, later, scrubEvery } = await world()
  await keep(store, 'p', BYTES)
  const scrub = scrubEvery(3000)
  const never = scrubEvery(undefined)
  const look = async () => {
    await Promise.all([scrub.startWhenDue(), never.startWhenDue()])
    if (scrub.report() !== undefined) await eventually('it is done', () => scrub.report()?.finished_at !== undefined)
    return scrub.report()?.started_at
  }
  // The first look begins the count.
  assert.equal(await look(), undefined)
  later()
  assert.equal(await look(), undefined)
  later()
  const first = await look()
  assert.deepEqual([scrub.report()?.contents, scrub.report()?.bytes, scrub.report()?.damaged], [1, BYTES.length, []])
  later()
  assert.equal(await look(), first)
  later()
  assert.notEqual(await look(), first)
  assert.equal(never.report(), undefined)
})
