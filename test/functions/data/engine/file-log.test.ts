import * as assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DataError } from '../../../../functions/data/engine/errors.ts'
import { createFileLog } from '../../../../functions/data/engine/file-log.ts'
import { nodeFiles } from '../../../../functions/data/engine/files.ts'
import type { DataLog } from '../../../../functions/data/engine/log.ts'
import { cases, test } from '../../../kit.ts'
import { createForgetfulDisk, type ForgetfulDisk } from './forgetful-files.ts'
import { all, logContract, recordsOf } from './log-contract.ts'

const SEGMENT_BYTES = 1000

logContract('in files', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-log-'))
  const logs: DataLog[] = []
  return {
    async open() {
      const log = createFileLog({ files: nodeFiles, folder, segmentBytes: SEGMENT_BYTES / 2, report: () => undefined })
      logs.push(log)
      return log
    },
    async [Symbol.asyncDispose]() {
      for (const log of logs) await log.close()
      await rm(folder, { recursive: true })
    },
  }
})

type Bench = { readonly log: DataLog; readonly reports: string[] }

function logOn(disk: ForgetfulDisk): Bench {
  const reports: string[] = []
  return { log: createFileLog({ files: disk.view(), folder: '/', segmentBytes: SEGMENT_BYTES, report: (message) => reports.push(message) }), reports }
}

/** A hundred records, one write each. */
async function filled(): Promise<{ disk: ForgetfulDisk; segments: readonly string[] }> {
  const disk = createForgetfulDisk()
  const { log } = logOn(disk)
  await log.open()
  for (const one of recordsOf(1, 100)) await log.append([one])
  await log.close()
  return { disk, segments: disk.paths().filter((path) => path.endsWith('.log')) }
}

cases('a torn end is cut, told and written over', [
  { name: 'half a record', change: (content: Buffer) => content.subarray(0, content.length - 9) },
  { name: 'a record whose last bytes are zero', change: (content: Buffer) => Buffer.concat([content.subarray(0, content.length - 9), Buffer.alloc(500)]) },
  { name: 'a record with a hole', change: (content: Buffer) => content.fill(0, content.length - 20, content.length - 10) },
  { name: 'half a head', change: (content: Buffer) => Buffer.concat([content.subarray(0, content.length - 60), content.subarray(content.length - 60, content.length - 50)]) },
], async ({ change }) => {
  const { disk, segments } = await filled()
  disk.damage(segments.at(-1) ?? '', change)
  const { log, reports } = logOn(disk)
  const { record } = await log.open()
  assert.ok(record < 100 && record > 90)
  assert.match(reports.join(), /torn end/)
  await log.append(recordsOf(record + 1, record + 1))
  const again = logOn(disk)
  assert.equal((await again.log.open()).record, record + 1)
  assert.deepEqual(await all(again.log), recordsOf(1, record + 1))
  assert.deepEqual(again.reports, [])
})

cases('damage in the middle is told with its place, and what comes before it is given', [
  { name: 'a bit in the first segment', segment: 0, change: flip },
  { name: 'a bit in a later segment', segment: 3, change: flip },
  { name: 'a bit in the middle of the last one', segment: -1, change: flip },
  { name: 'a segment that is too short', segment: 2, change: (content: Buffer) => content.subarray(0, content.length - 30) },
  { name: 'an empty segment', segment: 2, change: () => Buffer.alloc(0) },
  { name: 'zeros', segment: 1, change: (content: Buffer) => content.fill(0, 40, 80) },
], async ({ segment, change }) => {
  const { disk, segments } = await filled()
  const path = segments.at(segment) ?? ''
  disk.damage(path, change)
  const { log } = logOn(disk)
  const read: number[] = []
  await assert.rejects(async () => {
    await log.open()
    for await (const { record } of log.read(0)) read.push(record)
  }, (error) => error instanceof DataError && error.code === 'DAMAGED' && error.message.includes(path) && /restore/.test(error.message))
  assert.deepEqual(read, Array.from(read, (_, index) => index + 1))
  assert.ok(read.length < 100)
})

test('a missing segment is told', async () => {
  const { disk, segments } = await filled()
  await disk.view().remove(segments[1] ?? '')
  const { log } = logOn(disk)
  await log.open()
  await assert.rejects(all(log), /missing/)
})

test('a full disk leaves the log as it was, and it goes on when there is room', async () => {
  const { disk } = await filled()
  const { log } = logOn(disk)
  await log.open()
  disk.capacityBytes = disk.capacityBytes === Infinity ? 6000 : 0
  const large = { record: 101, timeMs: 2000, changes: Buffer.alloc(10_000, 7) }
  await assert.rejects(log.append([large]), (error) => error instanceof DataError && error.code === 'DISK_FULL')
  assert.equal(await log.hasRoom(), false)
  await log.close()
  disk.capacityBytes = Infinity
  assert.equal(await log.hasRoom(), true)
  const next = logOn(disk)
  assert.equal((await next.log.open()).record, 100)
  assert.deepEqual(next.reports, [])
  await next.log.append([large])
  assert.equal((await all(next.log)).length, 101)
})

test('two processes that write are told of each other', async () => {
  const { disk } = await filled()
  const [one, other] = [logOn(disk).log, logOn(disk).log]
  await one.open()
  await other.open()
  await one.append(recordsOf(101, 101))
  await assert.rejects(other.append(recordsOf(101, 101)), (error) => error instanceof DataError && error.code === 'UNAVAILABLE' && /another process/.test(error.message))
  assert.equal((await logOn(disk).log.open()).record, 101)
})

function flip(content: Buffer): Buffer {
  const at = Math.floor(content.length / 3)
  content[at] = (content[at] ?? 0) ^ 4
  return content
}
