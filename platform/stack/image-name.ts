/** The last part of an image reference: on this machine an image is the folder of that name. */
import { BrambleError } from '../lib/errors.ts'
import type { StackFunction } from './parse-stack.ts'

/** `registry:5000/team/hello:1.0@sha256:…` → `hello`. `INVALID` when there is none that can name a folder. */
export function imageName(one: Pick<StackFunction, 'name' | 'image'>): string {
  const path = one.image.replace(/@.*$/, '')
  const name = path.slice(path.lastIndexOf('/') + 1).replace(/:.*$/, '')
  if (/^[a-z0-9][-._a-z0-9]*$/i.test(name)) return name
  throw new BrambleError('INVALID', `image "${one.image}" of function ${one.name} has no name; write it like registry.local/${one.name}:1.0`)
}

/** Two functions may share an image, but then it is made from the same handler. `INVALID` names two that differ. */
export function checkImageNames(functions: readonly StackFunction[]): void {
  const made = new Map<string, StackFunction>()
  for (const one of functions) {
    if (one.isBuildSkipped || one.handler === undefined) continue
    const name = imageName(one)
    const other = made.get(name)
    if (other && (other.handler !== one.handler || other.lang !== one.lang)) {
      throw new BrambleError('INVALID', `${one.place}: the images of functions ${other.name} and ${one.name} are both called ` +
        `"${name}", but they are made from different handlers: rename one of the images`)
    }
    made.set(name, one)
  }
}
