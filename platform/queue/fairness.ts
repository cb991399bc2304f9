/** Who may begin how many calls now. Pure. */
export type Need = {
  readonly name: string
  /** Calls that may begin. */
  readonly due: number
  readonly inFlight: number
  /** The most at a time for this one. */
  readonly limit: number
}

/**
 * Equal shares of `total` for all that have something to do, dealt one by one from `offset` on. One that runs nothing
 * always gets one, even beyond `total`: the slow calls of others cannot keep it waiting.
 */
export function share(needs: readonly Need[], total: number, offset: number): ReadonlyMap<string, number> {
  const active = needs.filter(({ due, inFlight }) => due > 0 || inFlight > 0)
  const perNeed = Math.max(1, Math.floor(total / Math.max(1, active.length)))
  const grants = new Map<string, number>()
  let room = total - active.reduce((sum, { inFlight }) => sum + inFlight, 0)

  const start = active.length === 0 ? 0 : offset % active.length
  const turns = [...active.slice(start), ...active.slice(0, start)]
  const give = (need: Need): boolean => {
    const given = grants.get(need.name) ?? 0
    const running = need.inFlight + given
    if (given >= need.due || running >= Math.min(need.limit, perNeed) || (room <= 0 && running > 0)) return false
    grants.set(need.name, given + 1)
    room--
    return true
  }
  for (let hasGiven = true; hasGiven;) {
    hasGiven = false
    for (const need of turns) hasGiven = give(need) || hasGiven
  }
  return grants
}
