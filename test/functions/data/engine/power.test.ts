/**
 * Power loss, which is not `kill -9`: a run of commits, snapshots and restarts is cut at each step it takes on the disk; whatever was
 * acknowledged must be there afterwards, to the byte, and nothing may be half there. Then each sync is left out once, and the loss must be found.
 */
import * as assert from 'node:assert/strict'
import { createFileLog } from '../../../../functions/data/engine/file-log.ts'
import { createHistory, type History } from '../../../../functions/data/engine/history.ts'
import type { DataLog } from '../../../../functions/data/engine/log.ts'
import { createPagedFile, PAGE_BYTES, type PagedFile } from '../../../../functions/data/engine/paged-file.ts'
import { createSnapshots, type Snapshots } from '../../../../functions/data/engine/snapshots.ts'
import { cases, test } from '../../../kit.ts'
import { createForgetfulDisk, losses, type ForgetfulDisk, type IgnoresSync, type Step, type View } from './forgetful-files.ts'
import { randomOf } from './random.ts'

/** A few records each. */
const SEGMENT_BYTES = 500

type Machine = { readonly log: DataLog; readonly snapshots: Snapshots; readonly history: History; readonly file: PagedFile; record: number }
type Operation = 'commit' | 'commit two' | 'snapshot' | 'restart' | 'recover'

const operations: readonly Operation[] = [
  'commit', 'commit two', 'commit', 'snapshot', 'commit', 'restart', 'commit', 'commit', 'snapshot', 'commit', 'commit', 'restart', 'restart', 'commit', 'commit two',
  'snapshot', 'commit', 'snapshot', 'commit', 'recover', 'commit',
]

async function boot(view: View): Promise<Machine> {
  const log = createFileLog({ files: view, folder: '/', segmentBytes: SEGMENT_BYTES, report: () => undefined })
  const snapshots = createSnapshots({ files: view, folder: '/' })
  const history = createHistory({ log, snapshots, report: () => undefined })
  await snapshots.open()
  const logged = await log.open()
  let file = createPagedFile()
  const { record } = await history.replay({
    begin() { file = createPagedFile() },
    load(bytes, offset) {
      file.write(bytes, offset)
      file.dropChanges()
    },
    apply: (changes) => { for (const one of changes) file.apply(one) },
  })
  assert.ok(record >= logged.record, 'all that is in the log was read')
  return { log, snapshots, history, file, record }
}

/** The same change each time: it goes by the record's number. */
function change(file: PagedFile, record: number): Uint8Array {
  const random = randomOf(record)
  file.write(random.bytes(200), random.below(3) * PAGE_BYTES + random.below(1000))
  if (record % 5 === 0) file.truncate(PAGE_BYTES)
  return file.takeChanges() ?? new Uint8Array(0)
}

async function commit(machine: Machine, count: number): Promise<void> {
  const first = machine.record + 1
  const records = Array.from({ length: count }, (_, index) => ({ record: first + index, timeMs: first + index, changes: change(machine.file, first + index) }))
  await machine.log.append(records)
  machine.record += count
}

async function perform(machine: Machine, operation: Operation, view: View): Promise<Machine> {
  if (operation === 'restart') return await boot(view)
  if (operation === 'commit') await commit(machine, 1)
  if (operation === 'commit two') await commit(machine, 2)
  if (operation === 'snapshot') {
    await writeSnapshot(machine)
    await machine.history.prune({ historyMs: 0, historyBytes: 0 }, 1e9)
  }
  // As when a damaged log is replaced by the state before the damage.
  if (operation === 'recover') {
    await machine.log.close()
    await writeSnapshot(machine)
    await machine.log.setAside(1)
    return await boot(view)
  }
  return machine
}

async function writeSnapshot({ snapshots, record, file }: Machine): Promise<void> {
  const seen = file.view()
  await snapshots.write({ record, timeMs: record }, (async function* () {
    for (let part = seen.read(PAGE_BYTES); part.length > 0; part = seen.read(PAGE_BYTES)) yield part
  })())
}

/** Runs until the power goes; how many records were acknowledged before. */
async function runUntilCut(disk: ForgetfulDisk, cutAt: number, ignoresSync: IgnoresSync): Promise<{ acknowledged: number; steps: readonly Step[] }> {
  const view = disk.view({ cutAt, ignoresSync })
  let acknowledged = 0
  try {
    let machine = await boot(view)
    for (const operation of operations) {
      machine = await perform(machine, operation, view)
      acknowledged = machine.record
    }
  } catch (error) {
    if (!view.isDead()) throw error
  }
  return { acknowledged, steps: view.steps }
}

const contents: Buffer[] = [Buffer.alloc(0)]
const grown = createPagedFile()
function contentAt(record: number): Buffer {
  while (contents.length <= record) {
    change(grown, contents.length)
    contents.push(contentOf(grown))
  }
  return contents[record] ?? Buffer.alloc(0)
}

function contentOf(file: PagedFile): Buffer {
  const content = Buffer.alloc(file.size())
  file.read(content, 0)
  return content
}

async function complaint(disk: ForgetfulDisk, acknowledged: number): Promise<string | undefined> {
  try {
    const machine = await boot(disk.view())
    // What was under way, a list of two at most, is there as a whole or not at all.
    if (machine.record < acknowledged || machine.record > acknowledged + 2) return `record ${machine.record} was found`
    if (!contentOf(machine.file).equals(contentAt(machine.record))) return `the content is not that of record ${machine.record}`
    await commit(machine, 1)
    const next = await boot(disk.view())
    return contentOf(next.file).equals(contentAt(machine.record)) ? undefined : 'the next commit was lost'
  } catch (error) {
    return String(error)
  }
}

/** The first violation found with these syncs left out. */
async function sweep(ignoresSync: IgnoresSync = () => false): Promise<string | undefined> {
  const { steps } = await runUntilCut(createForgetfulDisk(), Infinity, ignoresSync)
  for (let cutAt = 1; cutAt <= steps.length; cutAt++) {
    const disk = createForgetfulDisk()
    const { acknowledged } = await runUntilCut(disk, cutAt, ignoresSync)
    for (const loss of losses) {
      const wrong = await complaint(disk.survivors(loss), acknowledged)
      if (wrong !== undefined) return `cut at step ${cutAt} (${JSON.stringify(steps[cutAt - 1])}) with loss of ${loss}, ${acknowledged} acknowledged: ${wrong}`
    }
  }
  return undefined
}

/** First only the process dies; the next one reads, and tells others what it has read: that must stay. */
async function sweepAfterKill(ignoresSync: IgnoresSync = () => false): Promise<string | undefined> {
  const { steps } = await runUntilCut(createForgetfulDisk(), Infinity, () => false)
  for (let cutAt = 1; cutAt <= steps.length; cutAt++) {
    const disk = createForgetfulDisk()
    await runUntilCut(disk, cutAt, () => false)
    const { record } = await boot(disk.view({ ignoresSync }))
    for (const loss of losses) {
      const wrong = await complaint(disk.survivors(loss), record)
      if (wrong !== undefined) return `killed at step ${cutAt} (${JSON.stringify(steps[cutAt - 1])}), then loss of ${loss}, ${record} read: ${wrong}`
    }
  }
  return undefined
}

test('whatever was acknowledged survives a power cut at every step', async () => {
  assert.equal(await sweep(), undefined)
})

test('what a start has read survives a power cut after it', async () => {
  assert.equal(await sweepAfterKill(), undefined)
})

const isLog = (path: string): boolean => path.endsWith('.log')
const syncs: readonly { readonly name: string; readonly find: (ignoresSync: IgnoresSync) => Promise<string | undefined>; readonly ignores: IgnoresSync }[] = [
  { name: 'of the log after a write', find: sweep, ignores: ({ call, path }, before) => call === 'sync' && isLog(path) && before?.call === 'write' },
  { name: 'of the folder after a new segment', find: sweep, ignores: ({ call }, before) => call === 'syncFolder' && before?.call === 'create' },
  { name: 'of a snapshot', find: sweep, ignores: ({ call, path }) => call === 'sync' && path.endsWith('.draft') },
  { name: 'of the folder after a snapshot got its name', find: sweep, ignores: ({ call }, before) => call === 'syncFolder' && before?.call === 'rename' },
  { name: 'of the last segment at a start', find: sweepAfterKill, ignores: ({ call, path }, before) => call === 'sync' && isLog(path) && before?.call !== 'write' },
]

cases('leaving out a sync is found', syncs, async ({ find, ignores }) => {
  assert.ok(await find(ignores), 'a loss was found')
})
