/** What every log must do, whatever it lies on. */
import * as assert from 'node:assert/strict'
import { DataError } from '../../../../functions/data/engine/errors.ts'
import type { DataLog, LogRecord } from '../../../../functions/data/engine/log.ts'
import { test } from '../../../kit.ts'
import { randomOf } from './random.ts'

export type LogWorld = AsyncDisposable & {
  /** Another one on what the one before has left; that one is closed, or was killed. */
  open(): Promise<DataLog>
}

export function logContract(name: string, world: () => Promise<LogWorld>): void {
  test(`${name}: a new log is empty`, async () => {
    await using here = await world()
    const log = await here.open()
    assert.deepEqual(await log.open(), { record: 0, timeMs: 0 })
    assert.deepEqual(await all(log), [])
    assert.equal(await log.first(), undefined)
    assert.equal(await log.next(), 1)
  })

  test(`${name}: what was appended is read in order, after a restart and after a kill`, async () => {
    await using here = await world()
    const records = recordsOf(1, 60)
    let log = await here.open()
    await log.open()
    for (let at = 0; at < records.length; at += 7) {
      if (at % 3 === 0) {
        if (at % 2 === 0) await log.close()
        log = await here.open()
        const last = await log.open()
        assert.deepEqual(last, at === 0 ? { record: 0, timeMs: 0 } : pointOf(records[at - 1]))
      }
      await log.append(records.slice(at, at + 7))
      assert.deepEqual(await all(log), records.slice(0, at + 7))
    }
    assert.deepEqual(await all(log, 40), records.slice(40))
    assert.deepEqual(await all(log, 60), [])
    assert.deepEqual(await log.first(), pointOf(records[0]))
    assert.ok(await log.next() > 60)
  })

  test(`${name}: what was dropped is gone, what comes after it stays, and so it is after a restart`, async () => {
    await using here = await world()
    const records = recordsOf(1, 60)
    let log = await here.open()
    await log.open()
    for (const one of records) await log.append([one])
    const before = log.bytes()
    await log.drop(30)
    assert.ok(log.bytes() < before, 'space came back')
    for (let round = 0; round < 2; round++) {
      assert.deepEqual(await all(log, 30), records.slice(30))
      const first = (await log.first())?.record ?? 0
      assert.ok(first > 1 && first <= 31)
      await assert.rejects(all(log, 0), (error) => error instanceof DataError && error.code === 'DAMAGED', 'what is missing is told')
      await log.close()
      log = await here.open()
      assert.deepEqual(await log.open(), pointOf(records.at(-1)))
    }
    await log.drop(60)
    assert.deepEqual(await log.open(), pointOf(records.at(-1)), 'the number of the last record is not forgotten')
  })

  test(`${name}: large and empty records are as good as others`, async () => {
    await using here = await world()
    const log = await here.open()
    await log.open()
    const records: LogRecord[] = [0, 1, 5_000_000, 3].map((length, index) => ({ record: index + 1, timeMs: index, changes: randomOf(index).bytes(length) }))
    await log.append(records.slice(0, 2))
    await log.append(records.slice(2))
    assert.deepEqual(await all(log), records)
  })

  test(`${name}: what is set aside is not read, and the log goes on with a higher number`, async () => {
    await using here = await world()
    let log = await here.open()
    await log.open()
    const records = recordsOf(1, 60)
    for (const one of records) await log.append([one])
    await log.close()
    const next = await log.next()
    await log.setAside(40)
    log = await here.open()
    const last = await log.open()
    assert.ok(last.record < 40)
    await log.append([{ record: next, timeMs: 1e6, changes: new Uint8Array(1) }])
    assert.equal((await all(log, next - 1)).length, 1)
    const read: number[] = []
    await assert.rejects(async () => { for await (const { record } of log.read(0)) read.push(record) }, (error) => error instanceof DataError && error.code === 'DAMAGED')
    assert.deepEqual(read, records.slice(0, last.record).map(({ record }) => record), 'those before are still given')
  })
}

export function recordsOf(first: number, last: number): LogRecord[] {
  return Array.from({ length: last - first + 1 }, (_, index) => ({ record: first + index, timeMs: 1000 + first + index, changes: randomOf(first + index).bytes(10 + (first + index) % 50) }))
}

export async function all(log: DataLog, after = 0): Promise<LogRecord[]> {
  const records: LogRecord[] = []
  for await (const { record, timeMs, changes } of log.read(after)) records.push({ record, timeMs, changes: Buffer.from(changes) })
  return records
}

function pointOf(record: LogRecord | undefined): { record: number; timeMs: number } {
  return { record: record?.record ?? NaN, timeMs: record?.timeMs ?? NaN }
}
