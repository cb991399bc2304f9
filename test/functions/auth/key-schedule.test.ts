import * as assert from 'uvu/assert'
import { deadKeys, dueKey, shownKeys, signingKey } from '../../../functions/auth/tokens/key-schedule.ts'
import { test } from '../../kit.ts'

const times = { rotationMs: 1000, aheadMs: 100, tailMs: 50 }
const first = { generation: 1, activeFromMs: 0 }
const second = { generation: 2, activeFromMs: 1000 }

test('the first key signs at once', () => {
  assert.equal(dueKey([], 77, times), { generation: 1, activeFromMs: 77 })
  assert.equal(signingKey([first], 0), first)
  assert.is(signingKey([], 0), undefined)
})

test('the next key is made before it is needed, shown at once, and signs when the time of the first is over', () => {
  assert.is(dueKey([first], 899, times), undefined)
  assert.equal(dueKey([first], 900, times), second)
  assert.is(dueKey([first, second], 900, times), undefined)
  assert.equal(shownKeys([first, second], 900, times), [first, second])
  assert.equal(signingKey([second, first], 999), first)
  assert.equal(signingKey([second, first], 1000), second)
})

test('a key is shown until the last token that it signed is over', () => {
  assert.equal(shownKeys([first, second], 1049, times), [first, second])
  assert.equal(deadKeys([first, second], 1049, times), [])
  assert.equal(shownKeys([first, second], 1050, times), [second])
  assert.equal(deadKeys([first, second], 1050, times), [first])
})

test('after a long sleep the next key is still shown before it signs', () => {
  assert.equal(dueKey([first], 50_000, times), { generation: 2, activeFromMs: 50_100 })
  assert.equal(signingKey([first, { generation: 2, activeFromMs: 50_100 }], 50_000), first)
})

test('a key made out of turn signs before one that was already waiting', () => {
  const urgent = { generation: 3, activeFromMs: 950 }
  assert.equal(signingKey([first, second, urgent], 950), urgent)
  assert.equal(signingKey([first, second, urgent], 2000), urgent)
})

test('whenever it is, exactly one key signs, it is shown, and the one that signed a token is shown while the token lives', () => {
  let keys: { generation: number; activeFromMs: number }[] = []
  const signed: { atMs: number; generation: number }[] = []
  for (let nowMs = 0; nowMs < 10_000; nowMs += 7) {
    const due = dueKey(keys, nowMs, times)
    if (due) keys = [...keys, due]
    const dead = deadKeys(keys, nowMs, times)
    keys = keys.filter((key) => !dead.includes(key))
    const key = signingKey(keys, nowMs)
    assert.ok(key)
    signed.push({ atMs: nowMs, generation: key.generation })
    const shown = shownKeys(keys, nowMs, times).map(({ generation }) => generation)
    for (const { atMs, generation } of signed) if (nowMs - atMs < times.tailMs) assert.ok(shown.includes(generation), `${generation} at ${nowMs}`)
  }
  assert.ok(new Set(signed.map(({ generation }) => generation)).size >= 9)
})
