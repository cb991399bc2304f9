/** The annotation that gives a function a folder which outlives its replicas, and the function itself. */
import { BrambleError } from '../lib/errors.ts'
import type { FunctionSpec } from './types.ts'

const VOLUME_ANNOTATION = 'bramble/volume'
/** Where a function finds it: a variable of its environment. */
export const VOLUME_VARIABLE = 'volume_path'

/** Where a function wants its data; `undefined` for none, `INVALID` for a path that is none. */
export function volumePathOf(spec: FunctionSpec): string | undefined {
  const path = spec.annotations[VOLUME_ANNOTATION]
  if (path === undefined) return undefined
  if (!/^\/[^\0:]+$/.test(path) || path.split('/').includes('..') || /^\/(?:tmp|var\/openfaas)(?:\/|$)/.test(path)) {
    throw new BrambleError('INVALID', `annotation ${VOLUME_ANNOTATION} of function ${spec.name} must be a folder like /data, not "${path}"`)
  }
  return path
}

/** One replica writes. `what` names the number. */
export function checkVolume(spec: FunctionSpec, replicas: number, what: string): void {
  if (replicas > 1 && volumePathOf(spec) !== undefined) {
    throw new BrambleError('INVALID', `${what} is ${replicas}, but function ${spec.name} has a volume, which one replica writes`)
  }
}
