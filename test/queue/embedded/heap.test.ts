import * as assert from 'node:assert/strict'
import { createHeap } from '../../../platform/queue/embedded/heap.ts'
import { test } from '../../kit.ts'

test('whatever goes in comes out in order', () => {
  let seed = 1
  const random = (): number => (seed = (seed * 48_271) % 2_147_483_647)
  for (let round = 0; round < 50; round++) {
    const heap = createHeap<number>((a, b) => a < b)
    const kept: number[] = []
    for (let step = 0; step < 200; step++) {
      if (random() % 3 > 0) {
        const item = random() % 100
        heap.push(item)
        kept.push(item)
        kept.sort((a, b) => a - b)
      } else {
        assert.equal(heap.peek(), kept[0])
        assert.equal(heap.pop(), kept.shift())
      }
    }
    while (kept.length > 0) assert.equal(heap.pop(), kept.shift())
    assert.equal(heap.pop(), undefined)
  }
})
