import * as assert from 'node:assert/strict'
import { lineOf } from '../../../../functions/monitor/push/pushed-line.ts'
import { createPushedNames, MAX_NAMES, OTHERS } from '../../../../functions/monitor/push/pushed-names.ts'
import { test } from '../../../kit.ts'

test('names without end become one; those that were there before stay', () => {
  const named = createPushedNames()
  const name = (functionName: string, instance: string): readonly string[] => {
    const line = named(lineOf({ timeMs: 0, functionName, instance, text: 'x' }))
    return [line.functionName, line.instance, line.text]
  }
  for (let i = 0; i < MAX_NAMES; i++) assert.deepEqual(name(`f${i % 7}`, `r${i}`), [`f${i % 7}`, `r${i}`, 'x'])
  assert.deepEqual([name('f0', 'new'), name('new', 'r0'), name('f1', 'r1')], [[OTHERS, '', 'x'], [OTHERS, '', 'x'], ['f1', 'r1', 'x']])
})
