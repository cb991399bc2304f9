import * as assert from 'node:assert/strict'
import { createParts, type Part } from '../../platform/lib/parts.ts'
import { test } from '../kit.ts'

test('parts start in order and stop backwards', async () => {
  const { parts, events } = arrange(['a', 'b', 'c'])
  await parts.start()
  await parts.stop()
  assert.deepEqual(events, ['+a', '+b', '+c', '-c', '-b', '-a'])
})

test('a part starts only when the one before it has started', async () => {
  const gate = Promise.withResolvers<void>()
  const { parts, events } = arrange(['a', 'b'], { a: { start: () => gate.promise } })
  const started = parts.start()
  await Promise.resolve()
  assert.deepEqual(events, ['+a'])
  gate.resolve()
  await started
  assert.deepEqual(events, ['+a', '+b'])
})

test('a second start and a second stop do nothing', async () => {
  const { parts, events } = arrange(['a'])
  await parts.start()
  await parts.start()
  await parts.stop()
  await parts.stop()
  assert.deepEqual(events, ['+a', '-a'])
})

test('two starts at once are one, and both wait for it', async () => {
  const gate = Promise.withResolvers<void>()
  const { parts, events } = arrange(['a', 'b'], { a: { start: () => gate.promise } })
  const first = parts.start()
  const second = parts.start().then(() => events.push('second'))
  gate.resolve()
  await Promise.all([first, second])
  assert.deepEqual(events, ['+a', '+b', 'second'])
})

test('a stop before any start does nothing', async () => {
  const { parts, events } = arrange(['a'])
  await parts.stop()
  assert.deepEqual(events, [])
})

test('parts start again after a stop', async () => {
  const { parts, events } = arrange(['a'])
  await parts.start()
  await parts.stop()
  await parts.start()
  assert.deepEqual(events, ['+a', '-a', '+a'])
})

test('a start that fails stops what had begun, the failing part too, and can be tried again', async () => {
  let isBroken = true
  const { parts, events } = arrange(['a', 'b', 'c'], {
    b: { start: async () => { if (isBroken) throw new Error('port taken') } },
  })
  await assert.rejects(parts.start(), /port taken/)
  assert.deepEqual(events, ['+a', '+b', '-b', '-a'])
  isBroken = false
  await parts.start()
  assert.deepEqual(events.slice(4), ['+a', '+b', '+c'])
})

test('a part that does not stop hides no other, and is named', async () => {
  const { parts, events } = arrange(['a', 'b', 'c'], { b: { stop: () => { throw new Error('stuck') } } })
  await parts.start()
  await assert.rejects(parts.stop(), (error: Error) => {
    assert.match(error.message, /b did not stop/)
    assert.match(String(error.cause), /stuck/)
    return true
  })
  assert.deepEqual(events.slice(3), ['-c', '-b', '-a'])
})

test('the first failure of a start is the one that is told, even when stopping fails too', async () => {
  const { parts } = arrange(['a', 'b'], {
    a: { stop: async () => { throw new Error('stuck') } },
    b: { start: async () => { throw new Error('port taken') } },
  })
  await assert.rejects(parts.start(), /port taken/)
})

test('a stop in the middle of a start leaves nothing running', async () => {
  const gate = Promise.withResolvers<void>()
  const { parts, events } = arrange(['a', 'b', 'c'], { b: { start: () => gate.promise } })
  const started = parts.start().catch((error: unknown) => String(error))
  await Promise.resolve()
  await Promise.resolve()
  const stopped = parts.stop()
  gate.resolve()
  await stopped
  assert.match(String(await started), /stopped/)
  assert.deepEqual(events, ['+a', '+b', '-b', '-a'])
})

test('two stops at once are one, and both wait for it', async () => {
  const gate = Promise.withResolvers<void>()
  const { parts, events } = arrange(['a'], { a: { stop: () => gate.promise } })
  await parts.start()
  const first = parts.stop()
  const second = parts.stop().then(() => events.push('second'))
  await Promise.resolve()
  await Promise.resolve()
  assert.deepEqual(events, ['+a', '-a'])
  gate.resolve()
  await Promise.all([first, second])
  assert.deepEqual(events, ['+a', '-a', 'second'])
})

function arrange(
  names: readonly string[], behaviour: Readonly<Record<string, Partial<Part>>> = {},
): { parts: ReturnType<typeof createParts>; events: string[] } {
  const events: string[] = []
  const parts = createParts()
  for (const name of names) {
    parts.add(name, {
      start: () => { events.push(`+${name}`); return behaviour[name]?.start?.() ?? Promise.resolve() },
      stop: () => { events.push(`-${name}`); return behaviour[name]?.stop?.() ?? Promise.resolve() },
    })
  }
  return { parts, events }
}
