/** The names under which the store keeps keys apart. */

/** A namespace has no `/` in its name, so no group looks like a namespace, nor like a group of another one. */
export function spaceOf(path: { readonly namespace: string; readonly group?: string }): string {
  return path.group === undefined ? path.namespace : `${path.namespace}/${path.group}`
}
