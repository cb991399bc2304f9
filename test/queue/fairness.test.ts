import * as assert from 'node:assert/strict'
import { share, type Need } from '../../platform/queue/fairness.ts'
import { cases, test } from '../kit.ts'

const need = (name: string, due: number, inFlight = 0, limit = 100): Need => ({ name, due, inFlight, limit })

cases('shares of ten', [
  { name: 'one alone gets all', needs: [need('a', 50)], expected: { a: 10 } },
  { name: 'no more than is due', needs: [need('a', 3)], expected: { a: 3 } },
  { name: 'no more than its limit', needs: [need('a', 50, 1, 4)], expected: { a: 3 } },
  { name: 'two get half each', needs: [need('a', 50), need('b', 50)], expected: { a: 5, b: 5 } },
  { name: 'what one leaves is nobody\'s: the next one finds room', needs: [need('a', 50), need('b', 1)], expected: { a: 5, b: 1 } },
  { name: 'nothing when all places are taken', needs: [need('a', 50, 10)], expected: {} },
  { name: 'one that runs nothing begins even then', needs: [need('a', 50, 10), need('b', 50)], expected: { b: 1 } },
  { name: 'one that only runs counts too', needs: [need('a', 0, 5), need('b', 50)], expected: { b: 5 } },
  { name: 'idle ones take no share', needs: [need('a', 0), need('b', 50)], expected: { b: 10 } },
], ({ needs, expected }) => {
  assert.deepEqual(Object.fromEntries(share(needs, 10, 0)), expected)
})

test('with more functions than places each one begins', () => {
  const needs = Array.from({ length: 30 }, (_, index) => need(`f${index}`, 5))
  assert.deepEqual([...share(needs, 10, 7).values()], Array.from({ length: 30 }, () => 1))
})
