/** Fills a store and says how many bytes it counts, and how many the process has taken for it. */
import { createMemoryStore } from '../../../functions/cache/memory-store.ts'

const { entries, valueBytes, tags, keysOfSpace } = JSON.parse(process.argv[2] ?? '{}') as Record<'entries' | 'valueBytes' | 'tags' | 'keysOfSpace', number>
const store = createMemoryStore({ limitBytes: 2 ** 40, nowMs: () => performance.now() })
const before = taken()
for (let i = 0; i < entries; i++) {
  const value = Buffer.alloc(valueBytes, i)
  // As it comes from a request: cut out of a longer text.
  const [, space = '', key = ''] = `/space-number-${Math.floor(i / keysOfSpace)}/key-of-the-entry-${i}/${'x'.repeat(200)}${i}`.split('/')
  store.update(space, key, () => ({
    value, contentType: 'text/plain', freshMs: 1e7 + i, staleMs: 0.5, tags: Array.from({ length: tags }, (_, t) => `tag-${t}-of-${i}`),
  }))
}
console.log(JSON.stringify({ takenBytes: taken() - before, countedBytes: store.stats().bytes }))

function taken(): number {
  globalThis.gc?.()
  globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
