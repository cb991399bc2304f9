/**
 * Power loss, which is not `kill -9`: contents and parts are written on a disk that forgets what was not synced, the power goes at each
 * step, and whatever was acknowledged must be there afterwards with its hash. Then each sync is left out once, and the loss must be found.
 */
import * as assert from 'node:assert/strict'
import { createFolderStore } from '../../../../functions/files/storage/folder-store.ts'
import type { Store } from '../../../../functions/files/storage/store.ts'
import { cases, test } from '../../../kit.ts'
import { createForgetfulDisk, losses, type ForgetfulDisk, type IgnoresSync, type View } from '../../data/engine/forgetful-files.ts'
import { sha256 } from '../stage.ts'
import { bytesIn, keep } from './store-contract.ts'

/** Contents by hash, and parts with as many bytes as were told. */
type Told = { readonly contents: Map<string, string>; readonly parts: Map<string, string> }

const TEXTS = ['first content', 'second content', 'third', 'first content']

async function boot(view: View): Promise<Store> {
  const store = createFolderStore({ disk: view, folder: '/files', trustsFolder: true })
  await store.start()
  return store
}

/** Runs until the power goes. */
async function runUntilCut(disk: ForgetfulDisk, cutAt: number, ignoresSync: IgnoresSync): Promise<{ told: Told; steps: View['steps'] }> {
  const view = disk.view({ cutAt, ignoresSync })
  const told: Told = { contents: new Map(), parts: new Map() }
  try {
    let store = await boot(view)
    for (const [i, text] of TEXTS.entries()) {
      const hash = await keep(store, `put-${i}`, Buffer.from(text))
      told.contents.set(hash, text)
      const id = `upload-${i}`
      const part = await store.openPart(id, 0)
      for (const piece of ['one ', `two ${i} `]) {
        await part.write([Buffer.from(piece)])
        await part.sync()
        told.parts.set(id, (told.parts.get(id) ?? '') + piece)
      }
      await part.close()
      if (i === 1) store = await boot(view)
      // The one before goes on and becomes a content.
      if (i % 2 === 1) {
        const before = `upload-${i - 1}`
        const known = told.parts.get(before) ?? ''
        const again = await store.openPart(before, known.length)
        await again.write([Buffer.from('end')])
        const whole = `${known}end`
        // From here on it may be either.
        told.parts.delete(before)
        await again.keep(sha256(whole))
        told.contents.set(sha256(whole), whole)
      }
    }
  } catch (error) {
    if (!view.isDead()) throw error
  }
  return { told, steps: view.steps }
}

async function complaint(disk: ForgetfulDisk, { contents, parts }: Told): Promise<string | undefined> {
  try {
    const store = await boot(disk.view())
    for (const hash of await Array.fromAsync(store.contents())) {
      const size = await store.sizeOf(hash) ?? 0
      if (sha256(await bytesIn(store.read(hash, 0, size))) !== hash) return `the content ${hash.slice(0, 8)} is not what its name says`
    }
    for (const [hash, text] of contents) if (await store.sizeOf(hash) !== text.length) return `the content "${text}" was lost`
    for (const [id, text] of parts) {
      const part = await store.openPart(id, text.length)
      if ((await bytesIn(part.read(0, text.length))).toString() !== text) return `the part ${id} is not "${text}"`
    }
    return undefined
  } catch (error) {
    return String(error)
  }
}

/** The first violation found with these syncs left out. */
async function sweep(ignoresSync: IgnoresSync = () => false): Promise<string | undefined> {
  const { steps } = await runUntilCut(createForgetfulDisk(), Infinity, ignoresSync)
  assert.ok(steps.length > 40, `${steps.length} steps`)
  for (let cutAt = 1; cutAt <= steps.length + 1; cutAt++) {
    const disk = createForgetfulDisk()
    const { told } = await runUntilCut(disk, cutAt, ignoresSync)
    for (const loss of losses) {
      const wrong = await complaint(disk.survivors(loss), told)
      if (wrong !== undefined) return `cut at step ${cutAt} (${JSON.stringify(steps[cutAt - 1])}) with loss of ${loss}: ${wrong}`
    }
  }
  return undefined
}

test('whatever was acknowledged survives a power cut at every step, and every content is what its name says', async () => {
  assert.equal(await sweep(), undefined)
})

const syncs: readonly { readonly name: string; readonly ignores: IgnoresSync }[] = [
  { name: 'of a part', ignores: ({ call, path }) => call === 'sync' && path.includes('/parts/') },
  { name: 'of the folder of parts', ignores: ({ call, path }) => call === 'syncFolder' && path.endsWith('/parts') },
  { name: 'of the folder of a content', ignores: ({ call, path }) => call === 'syncFolder' && /\/contents\/..$/.test(path) },
  { name: 'of the folder of those folders', ignores: ({ call, path }) => call === 'syncFolder' && path.endsWith('/contents') },
  { name: 'of the folder itself', ignores: ({ call, path }) => call === 'syncFolder' && path === '/files' },
  { name: 'of the volume', ignores: ({ call, path }) => call === 'syncFolder' && path === '/' },
]

cases('leaving out a sync is found', syncs, async ({ ignores }) => {
  assert.ok(await sweep(ignores), 'a loss was found')
})
