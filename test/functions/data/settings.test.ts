/** The settings of the data service, and what its README says of them. */
import * as assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { cases, test } from '../../kit.ts'
import { readSettings } from '../../../functions/data/settings.ts'

const folder = join(import.meta.dirname, '../../../functions/data')
const readme = readFileSync(join(folder, 'README.md'), 'utf8')
const source = readFileSync(join(folder, 'settings.ts'), 'utf8')

test('the README lists every setting, and no other', () => {
  const read = [...source.matchAll(/\b(?:size|duration|count|flag|read)\('([a-z_]+)'|env\['([a-z_]+)'\]/g)].map(([, one, other]) => one ?? other ?? '')
  const table = readme.slice(readme.indexOf('## Settings'), readme.indexOf('## Limits'))
  const listed = [...table.matchAll(/^\| (`[^|]+`) \|/gm)].flatMap(([, names = '']) => names.match(/[a-z_]+/g) ?? [])
  // Told by the platform, not set.
  assert.deepEqual([...new Set(read)].filter((name) => name !== 'volume_path').sort(), listed.sort())
})

test('nothing set means the defaults, and no folder', () => {
  const { engine, limits, maxRequestBytes } = readSettings({})
  assert.deepEqual([engine.folder, limits.databaseBytes, limits.timeoutMs, maxRequestBytes], ['', 64 * 2 ** 20, 5000, 8 * 2 ** 20])
})

cases('the folder is', [
  { name: 'on the volume', env: { volume_path: '/data' }, folder: '/data/databases' },
  { name: 'the one that is set', env: { volume_path: '/data', data_folder: '/elsewhere' }, folder: '/elsewhere' },
], ({ env, folder }) => assert.equal(readSettings(env).engine.folder, folder))

test('every bad setting is told at once', () => {
  const env = { max_rows: '0', max_database_size: '64MB', history_time: '1w', trust_folder: 'yes', max_waiting: '5', copy_to: 'https://s3.example/bucket' }
  assert.throws(() => readSettings(env), /max_database_size="64MB".*max_rows="0".*history_time="1w".*copy_to="https:.*trust_folder="yes"/)
})
