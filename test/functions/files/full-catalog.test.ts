/** What becomes of files when the database of their names gets full. */
import * as assert from 'node:assert/strict'
import { test } from '../../kit.ts'
import { startStage } from './stage.ts'

test('a full database takes no new files, and what is there can still be changed and removed', async () => {
  await using on = await startStage({}, { max_database_size: '1Mi' })
  const metadata = { a: 'x'.repeat(1000), b: 'x'.repeat(900) }
  let [made, code]: [number, unknown] = [0, undefined]
  for (; code === undefined; made++) {
    const path = `e/${'n'.repeat(200)}${made}`
    const reply = await on.call('PUT', `/v1/files/${path}`, { bytes: '' })
    if (reply.status !== 201) code = reply.body['code']
    else await on.call('PATCH', `/v1/info/${path}`, { json: { metadata } })
  }
  assert.equal(code, 'catalog_full')
  assert.ok(made > 20, `${made} files`)
  const first = `e/${'n'.repeat(200)}0`
  assert.equal((await on.call('PUT', `/v1/files/${first}`, { bytes: 'another' })).status, 200)
  for (let i = 0; i < made - 1; i++) assert.equal((await on.call('DELETE', `/v1/files/e/${'n'.repeat(200)}${i}`)).status, 204)
  assert.equal((await on.call('DELETE', '/v1/trash')).status, 204)
  assert.equal((await on.call('PUT', '/v1/files/again', { bytes: 'x' })).status, 201)
})
