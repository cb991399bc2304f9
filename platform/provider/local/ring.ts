/** The last lines of one replica, bounded in number and size. */

export type Line = {
  readonly instance: string
  readonly atMs: number
  /** Rises with each line of the whole provider: the order in which they were read. */
  readonly order: number
  readonly text: string
}

export type Ring = {
  readonly instance: string
  add(line: Line): void
  /** Drops the oldest until at most so many bytes are kept. */
  trim(maxBytes: number): void
  lines(): readonly Line[]
  bytes(): number
}

/** What a kept line costs besides its text: the object, its fields and its place in the list. */
const LINE_OVERHEAD_BYTES = 100
/** Dropped lines are cut off the list once there are so many of them: not one by one. */
const COMPACT_AFTER = 256

export function createRing(instance: string, limits: { maxLines: number; maxBytes: number }): Ring {
  let list: (Line | undefined)[] = []
  let first = 0
  let bytes = 0

  const dropOldest = (): void => {
    const line = list[first]
    if (line === undefined) return
    list[first++] = undefined
    bytes -= sizeOf(line)
    if (first >= COMPACT_AFTER) {
      list = list.slice(first)
      first = 0
    }
  }
  const trim = (maxBytes: number): void => {
    while (bytes > maxBytes && first < list.length) dropOldest()
  }

  return {
    instance,
    add(line) {
      list.push(line)
      bytes += sizeOf(line)
      if (list.length - first > limits.maxLines) dropOldest()
      trim(limits.maxBytes)
    },
    trim,
    lines: () => list.slice(first).filter((line) => line !== undefined),
    bytes: () => bytes,
  }
}

/** Text outside Latin-1 takes two bytes a character; counted for all, to stay on the safe side. */
function sizeOf(line: Line): number {
  return line.text.length * 2 + LINE_OVERHEAD_BYTES
}
