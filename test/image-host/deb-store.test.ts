import * as assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createDebStore } from '../../platform/image/deb-store.ts'
import { digestOf } from '../../platform/image/oci.ts'
import { test } from '../kit.ts'
import { arm64 } from './sample-image.ts'

test('builds that need packages at the same time wait for each other', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-debs-'))
  try {
    const found = await Promise.all([1, 2, 3].map(async () => {
      const store = createDebStore(folder)
      const debs = await store.newest(['libatomic1'], arm64)
      const [path = ''] = await store.fetch(debs, arm64)
      assert.equal(digestOf(await readFile(path)), `sha256:${debs[0]?.sha256}`)
      return debs
    }))
    assert.deepEqual(found, [found[0], found[0], found[0]])
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}, { timeoutMs: 300_000 })
