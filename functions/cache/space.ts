/** The names under which the store keeps keys apart. */

/** A namespace has no `/` in its name, so no group looks like a namespace, nor like a group of another one. */
export function spaceOf(path: { readonly namespace: string; readonly group?: string }): string {
  return path.group === undefined ? path.namespace : `${path.namespace}/${path.group}`
}

/** What the gateway chooses the replica by: the namespace, and the group or, without one, the key. */
export function partsOf(space: string, key: string): readonly [string, string] {
  const slash = space.indexOf('/')
  return slash < 0 ? [space, key] : [space.slice(0, slash), space.slice(slash + 1)]
}

/** Of the service itself: no namespace has a name like this, so no caller can reach it. */
export function ownSpaceOf(space: string): string {
  return `\0${space}`
}

export function isOwn(space: string): boolean {
  return space.startsWith('\0')
}
