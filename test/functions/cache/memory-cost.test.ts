/** What is counted for an entry is what it takes: the limit means something. In a process of its own, with a collector to call. */
import * as assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { cases } from '../../kit.ts'

const PROGRAM = join(import.meta.dirname, 'memory-cost-program.ts')
/** Counting less than this share of what is taken would let the process grow beyond what it was given. */
const LEAST_COUNTED = 0.9
/** Counting much more would waste memory. */
const MOST_COUNTED = 1.8

cases('the bytes that are counted are those that are taken', [
  { name: 'small values', args: { entries: 20_000, valueBytes: 20, tags: 0, keysOfSpace: 20_000 } },
  { name: 'values of 1 KB', args: { entries: 8_000, valueBytes: 1_000, tags: 0, keysOfSpace: 8_000 } },
  { name: 'values of 8 KB', args: { entries: 2_000, valueBytes: 8_192, tags: 0, keysOfSpace: 2_000 } },
  { name: 'a tag of its own each', args: { entries: 10_000, valueBytes: 20, tags: 1, keysOfSpace: 10_000 } },
  { name: 'four keys to a group', args: { entries: 10_000, valueBytes: 20, tags: 0, keysOfSpace: 4 } },
  { name: 'one key to a group, with tags', args: { entries: 5_000, valueBytes: 20, tags: 2, keysOfSpace: 1 } },
], async ({ args }) => {
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', PROGRAM, JSON.stringify(args)])
  const { takenBytes, countedBytes }: { takenBytes: number; countedBytes: number } = JSON.parse(stdout)
  const share = countedBytes / takenBytes
  if (process.env['show_cost'] === 'true') console.log(JSON.stringify(args), (takenBytes / args.entries).toFixed(0), (countedBytes / args.entries).toFixed(0), share.toFixed(2))
  assert.ok(share >= LEAST_COUNTED && share <= MOST_COUNTED, `${countedBytes} counted, ${takenBytes} taken: ${share.toFixed(2)}`)
})
