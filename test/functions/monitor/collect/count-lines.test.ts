import * as assert from 'node:assert/strict'
import { createLineCounter } from '../../../../functions/monitor/collect/count-lines.ts'
import { lineIn } from '../../../../functions/monitor/collect/platform-lines.ts'
import { createCursors } from '../../../../functions/monitor/logs/cursors.ts'
import type { Line } from '../../../../functions/monitor/logs/line.ts'
import { test } from '../../../kit.ts'

/** Replica, millisecond, text. */
type Told = readonly [string, number, string]

function lineOf([instance, timeMs, text]: Told): Line {
  return { functionName: 'f', namespace: 'n', instance, timeMs, text, level: 0, nth: 0 }
}

test('wherever a connection breaks, all lines are kept once: the same text in the same millisecond, too', () => {
  const told: readonly Told[] = [['a', 1, 'x'], ['a', 1, 'x'], ['b', 1, 'x'], ['a', 2, 'y'], ['b', 2, 'z'], ['a', 2, 'y'], ['a', 2, 'y'], ['b', 9, 'x'], ['a', 9, 'x']]
  for (let cut = 0; cut <= told.length; cut++) {
    for (let second = cut; second <= told.length; second++) {
      const cursors = createCursors()
      const kept: string[] = []
      const read = (lines: readonly Told[]): void => {
        const count = createLineCounter(cursors.of('f', 'n'))
        for (const one of lines) {
          const line = count(lineOf(one))
          if (line === undefined) continue
          cursors.note(line)
          kept.push(line.text + line.instance + line.timeMs)
        }
      }
      // The platform tells all again each time, a little from before the last line on.
      for (const end of [cut, second, told.length]) read(told.slice(0, end))
      assert.deepEqual(kept.toSorted(), told.map(([instance, timeMs, text]) => text + instance + timeMs).toSorted(), `cut after ${cut} and ${second}`)
    }
  }
})

test('a clock that goes back loses no line of a connection that lasts', () => {
  const count = createLineCounter(new Map([['a', { timeMs: 5, nth: 1 }]]))
  const times = ([['a', 4, ''], ['a', 5, ''], ['a', 6, ''], ['a', 2, ''], ['a', 2, '']] as const).map((one) => count(lineOf(one))).map((line) => line && [line.timeMs, line.nth])
  assert.deepEqual(times, [undefined, undefined, [6, 1], [2, 1], [2, 2]])
})

test('what is no line of the platform is none, and a long one is cut', () => {
  const json = (more: object): string => JSON.stringify({ name: 'f', namespace: 'n', instance: 'i', timestamp: '2026-01-01T00:00:00.5Z', text: '{"level":"warn"}', ...more })
  assert.deepEqual([json({ timestamp: 'x' }), json({ text: 5 }), json({ name: undefined }), 'x', ''].map(lineIn), Array.from({ length: 5 }, () => undefined))
  assert.deepEqual([lineIn(json({}))?.level, lineIn(json({}))?.timeMs], [3, Date.parse('2026-01-01T00:00:00.5Z')])
  assert.equal(lineIn(json({ text: 'x'.repeat(100_000) }))?.text.length, 65_536)
})
