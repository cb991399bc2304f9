import * as assert from 'node:assert/strict'
import { FRAME_HEAD_BYTES, frame, scanFrames, unframe, type Found } from '../../../platform/queue/embedded/frames.ts'
import { cases, test } from '../../kit.ts'

const SALT = 0x1234_5678
const texts = ['one', '', 'three'.repeat(50)]
const frames = texts.map((text) => frame([Buffer.from(text)], SALT))
const whole = Buffer.concat(frames)
const [firstBytes, secondBytes] = frames.map(({ length }) => length)

const shape = (found: Iterable<Found>): string[] => [...found].map((one) =>
  one.kind === 'record' ? `record ${one.payload.toString()}` : `damage ${one.offset}+${one.length}${one.isAtEnd ? ' at the end' : ''}`)

test('records come back in order', () => {
  assert.deepEqual(shape(scanFrames(whole, SALT)), texts.map((text) => `record ${text}`))
})

test('nothing comes back under another salt', () => {
  assert.deepEqual(shape(scanFrames(whole, SALT + 1)), [`damage 0+${whole.length} at the end`])
  assert.equal(unframe(frames[0] ?? Buffer.alloc(0), SALT + 1), undefined)
})

test('wherever a byte is wrong, the other records come back and the damage is told', () => {
  for (let at = 0; at < whole.length; at++) {
    const bytes = Buffer.from(whole)
    bytes[at] = (bytes[at] ?? 0) ^ 0x40
    const found = [...scanFrames(bytes, SALT)]
    assert.equal(found.filter(({ kind }) => kind === 'record').length, 2, `byte ${at}`)
    assert.equal(found.filter(({ kind }) => kind === 'damage').length, 1, `byte ${at}`)
    const total = found.reduce((sum, { length }) => sum + length, 0)
    assert.equal(total, whole.length, `byte ${at}: everything is accounted for`)
  }
})

test('wherever the end is torn, what is whole comes back', () => {
  for (let length = 0; length < whole.length; length++) {
    const found = [...scanFrames(whole.subarray(0, length), SALT)]
    const records = found.filter(({ kind }) => kind === 'record').length
    const ends = [0, firstBytes ?? 0, (firstBytes ?? 0) + (secondBytes ?? 0)]
    assert.equal(records, ends.filter((end) => end > 0 && end <= length).length, `cut at ${length}`)
    assert.equal(found.some((one) => one.kind === 'damage' && one.isAtEnd), !ends.includes(length), `cut at ${length}`)
  }
})

test('a record inside a body is not taken for one when the record around it is damaged', () => {
  const forged = frame([Buffer.from('forged')], 0)
  const outer = frame([Buffer.from('x'), forged], SALT)
  outer.writeUInt32LE(0, 4)
  assert.deepEqual(shape(scanFrames(Buffer.concat([outer, whole]), SALT)), [`damage 0+${outer.length}`, ...texts.map((text) => `record ${text}`)])
})

test('a body full of marks costs no time to step over', () => {
  const mark = whole.subarray(0, 4)
  const bytes = Buffer.concat(Array.from({ length: 250_000 }, () => mark))
  assert.deepEqual(shape(scanFrames(bytes, SALT)), [`damage 0+${bytes.length} at the end`])
})

cases('a length that cannot be', [
  { name: 'beyond the end', length: 1_000_000 },
  { name: 'the largest there is', length: 0xffff_ffff },
], ({ length }) => {
  const bytes = Buffer.from(whole)
  bytes.writeUInt32LE(length, 4)
  assert.equal([...scanFrames(bytes, SALT)].filter(({ kind }) => kind === 'record').length, 2)
  assert.ok(FRAME_HEAD_BYTES < bytes.length)
})
