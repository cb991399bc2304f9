/** Which signing key signs, which are shown in the JWKS, and when the next one is due. Pure. */
export type ScheduledKey = {
  readonly generation: number
  /** From when on it signs. Shown before, so that whoever caches the JWKS has it by then. */
  readonly activeFromMs: number
}

export type KeyTimes = {
  /** How long a key signs. */
  readonly rotationMs: number
  /** How long before its first signature a key is shown: longer than the JWKS may be cached. */
  readonly aheadMs: number
  /** How long after its last signature a key is shown: the life of the longest token, and the leeway of clocks. */
  readonly tailMs: number
}

/** The one that signs now; `undefined` while there is none. */
export function signingKey<K extends ScheduledKey>(keys: readonly K[], nowMs: number): K | undefined {
  return newestOf(keys.filter(({ activeFromMs }) => activeFromMs <= nowMs))
}

/** Those that verifiers need: the one that signs, the one that comes, and those whose tokens may still be about. */
export function shownKeys<K extends ScheduledKey>(keys: readonly K[], nowMs: number, { tailMs }: KeyTimes): readonly K[] {
  return keys.filter((key) => !isOver(key, keys, nowMs, tailMs))
}

/** Those that may be deleted. */
export function deadKeys<K extends ScheduledKey>(keys: readonly K[], nowMs: number, { tailMs }: KeyTimes): readonly K[] {
  return keys.filter((key) => isOver(key, keys, nowMs, tailMs))
}

/** The key to make now, or `undefined` when the newest is good for longer. */
export function dueKey(keys: readonly ScheduledKey[], nowMs: number, { rotationMs, aheadMs }: KeyTimes): ScheduledKey | undefined {
  const newest = newestOf(keys)
  if (newest === undefined) return { generation: 1, activeFromMs: nowMs }
  const endMs = newest.activeFromMs + rotationMs
  if (nowMs < endMs - aheadMs) return undefined
  return { generation: newest.generation + 1, activeFromMs: Math.max(endMs, nowMs + aheadMs) }
}

function newestOf<K extends ScheduledKey>(keys: readonly K[]): K | undefined {
  return keys.toSorted((a, b) => b.generation - a.generation)[0]
}

function isOver(key: ScheduledKey, keys: readonly ScheduledKey[], nowMs: number, tailMs: number): boolean {
  const successor = keys.find(({ generation }) => generation === key.generation + 1)
  return successor !== undefined && successor.activeFromMs + tailMs <= nowMs
}
