/** So many of all groups together: those that have more than their share leave out what is too much. Pure. */

export function fairShare<T>(groups: readonly (readonly T[])[], room: number): readonly T[] {
  let left = room
  // What the small ones do not need is for the large ones.
  return groups.toSorted((one, other) => one.length - other.length).flatMap((group, i) => {
    const taken = group.slice(0, Math.floor(left / (groups.length - i)))
    left -= taken.length
    return taken
  })
}
