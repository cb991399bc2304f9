import * as assert from 'node:assert/strict'
import { eventually, test } from '../kit.ts'
import { writeBundle } from './probe-function.ts'
import { makeFolders, refOf, specOf, startLocal } from './world.ts'

test('a deployed function answers, and answers anew when its bundle has changed', async () => {
  await using folders = await makeFolders()
  await writeBundle(folders.functionsDir, 'probe')
  await using local = await startLocal(folders)
  const { provider, path } = local
  await provider.apply(specOf('probe'))
  await path.ready('probe')
  assert.equal(await path.call('probe', '/version'), '1')
  await writeBundle(folders.functionsDir, 'probe', '2')
  await provider.apply(specOf('probe'))
  await eventually('version 2', async () => (await path.call('probe', '/version')) === '2')
  await provider.remove(refOf('probe'))
  assert.equal(path.route('probe'), undefined)
})
