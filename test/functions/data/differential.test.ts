import * as assert from 'node:assert/strict'
import { test } from '../../kit.ts'
import { startData } from './data-function.ts'
import { compareWithSqlite } from './differential.ts'

/** Thousands of others, each time new ones: `npm run soak -- data-differential`. */
const STATEMENTS = 600

test('random statements are answered as SQLite itself answers them, and leave the same content', async () => {
  const seed = Math.floor(Math.random() * 2 ** 31)
  console.log(`seed ${seed}`)
  await using data = await startData({ trust_folder: 'true' })
  const { statements, failed } = await compareWithSqlite(data, { seed, statements: STATEMENTS })
  console.log(`${statements} statements, ${failed} calls failed alike`)
  assert.ok(failed > statements / 50 && failed < statements / 2, 'some fail, most do not')
}, { timeoutMs: 300_000 })
