/** What is kept of runs: on a real disk, and on one that forgets what was not synced. */
import * as assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHistory, type History, type HistoryFiles } from '../../platform/cron/history.ts'
import type { JobRecord } from '../../platform/cron/record.ts'
import { systemClock } from '../../platform/lib/clock.ts'
import { createLog } from '../../platform/lib/log.ts'
import { nodeFiles } from '../../platform/lib/files.ts'
import { createForgetfulDisk, losses } from '../provider/local/forgetful-files.ts'
import { cases, test } from '../kit.ts'

const open = (folder: string, files: HistoryFiles = nodeFiles): History =>
  createHistory({ files, path: join(folder, 'cron.json'), clock: systemClock, log: createLog({ write: () => undefined }) })

async function makeFolder(): Promise<AsyncDisposable & { path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'bramble-cron-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

const record = (id: string, doneMs: number): JobRecord => ({ id, anchorMs: 0, doneMs })

test('what was saved, and what was noted before a stop, is there again', async () => {
  await using folder = await makeFolder()
  const history = open(folder.path)
  await history.load()
  await history.save({ ...record('a', 1), last: { dueMs: 1, startedMs: 2, endedMs: 3, outcome: 'ok', status: 200 }, skippedMs: 4 })
  history.note({ ...record('b', 2), last: { dueMs: 1, startedMs: 2, outcome: 'running' } })
  await history.stop()
  const again = open(folder.path)
  await again.load()
  assert.deepEqual(again.get('a'), { ...record('a', 1), last: { dueMs: 1, startedMs: 2, endedMs: 3, outcome: 'ok', status: 200 }, skippedMs: 4 })
  assert.equal(again.get('b')?.last?.outcome, 'interrupted')
  again.keepOnly(new Set(['b']))
  await again.stop()
  await history.load()
  assert.equal(history.get('a'), undefined)
})

test('many saves at a time share their writings, and each is durable when it says so', async () => {
  await using folder = await makeFolder()
  let writes = 0
  const history = open(folder.path, { ...nodeFiles, write: (...all) => { writes++; return nodeFiles.write(...all) } })
  await history.load()
  await Promise.all(Array.from({ length: 500 }, (_, index) => history.save(record(String(index), index))))
  assert.ok(writes <= 3, `${writes} writings`)
  const again = open(folder.path)
  await again.load()
  assert.equal(again.get('499')?.doneMs, 499)
})

cases('a file that cannot be read is set aside, and one begins anew', [
  { name: 'torn', text: '{"version":1,"jobs":[{"id":"a","anch' },
  { name: 'another version', text: '{"version":2,"jobs":[]}' },
  { name: 'a record that is none', text: '{"version":1,"jobs":[{"id":"a"}]}' },
  { name: 'an outcome nobody knows', text: '{"version":1,"jobs":[{"id":"a","anchorMs":0,"doneMs":0,"last":{"dueMs":0,"startedMs":0,"outcome":"perhaps"}}]}' },
], async ({ text }) => {
  await using folder = await makeFolder()
  await writeFile(join(folder.path, 'cron.json'), text)
  const history = open(folder.path)
  await history.load()
  assert.equal(history.get('a'), undefined)
  assert.match((await readdir(folder.path)).join(), /^cron\.json\.unreadable-[0-9a-f]{8}$/)
})

test('a disk that refuses says so to who saves, and takes the next one', async () => {
  await using folder = await makeFolder()
  let isFull = true
  const history = open(folder.path, { ...nodeFiles, sync: (path) => (isFull ? Promise.reject(new Error('no space')) : nodeFiles.sync(path)) })
  await history.load()
  await assert.rejects(history.save(record('a', 1)), /no space/)
  isFull = false
  await history.save(record('a', 2))
})

/** Runs 1, 2, … are saved one after the other until the power goes; answers the last one that was durable by its word. */
async function saveUntilCut(path: string, files: HistoryFiles & { readonly dead: Promise<void> }): Promise<number> {
  const history = open(path, files)
  let acknowledged = 0
  const work = async (): Promise<void> => {
    await history.load()
    for (let run = 1; run <= 5; run++) {
      await history.save(record('job', run))
      acknowledged = run
    }
  }
  await Promise.race([work(), files.dead])
  return acknowledged
}

test('whenever the power goes, every run that was saved is known afterwards', async () => {
  let cuts = 0
  for (let cutAt = 1; cutAt <= 20; cutAt++) {
    for (const loss of losses) {
      await using folder = await makeFolder()
      await using left = await makeFolder()
      const disk = createForgetfulDisk(folder.path)
      const acknowledged = await saveUntilCut(folder.path, disk.files({ cutAt }))
      await disk.survivors(loss, left.path)
      const history = open(left.path)
      await history.load()
      const known = history.get('job')?.doneMs ?? 0
      assert.ok(known >= acknowledged && known <= acknowledged + 1, `cut at step ${cutAt}, ${loss}: ${known} instead of ${acknowledged}`)
      cuts++
    }
  }
  assert.equal(cuts, 60)
})

cases('a sync that is left out loses a run', [
  { name: 'of the file', isIt: (path: string) => path.endsWith('.new') },
  { name: 'of the folder', isIt: (path: string) => !path.includes('cron.json') },
], async ({ isIt }) => {
  let lost = 0
  for (let cutAt = 1; cutAt <= 20; cutAt++) {
    for (const loss of losses) {
      await using folder = await makeFolder()
      await using left = await makeFolder()
      const disk = createForgetfulDisk(folder.path)
      const acknowledged = await saveUntilCut(folder.path, disk.files({ cutAt, ignoresSync: isIt }))
      await disk.survivors(loss, left.path)
      const history = open(left.path)
      await history.load()
      if ((history.get('job')?.doneMs ?? 0) < acknowledged) lost++
    }
  }
  assert.ok(lost > 0)
})
