/** Kubernetes quantities: `64Mi`, `0.5`, `100m`. Source: Kubernetes resource model, "Quantity". */
import { BrambleError } from '../lib/errors.ts'

const memoryUnits: Readonly<Record<string, number>> = {
  '': 1, m: 1e-3, k: 1e3, M: 1e6, G: 1e9, T: 1e12, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40,
}

/** Bytes out of `64Mi`. `field` names the culprit in the error. */
export function parseMemory(text: string, field: string): number {
  const match = /^([0-9]+(?:\.[0-9]+)?)(m|k|M|G|T|Ki|Mi|Gi|Ti)?$/.exec(text)
  const bytes = match ? Math.ceil(Number(match[1]) * (memoryUnits[match[2] ?? ''] ?? NaN)) : NaN
  if (!Number.isSafeInteger(bytes) || bytes <= 0) {
    throw new BrambleError('INVALID', `${field} "${text}" is not an amount of memory; write it like 64Mi or 128M`)
  }
  return bytes
}

/** Thousandths of a core out of `0.5` or `500m`. */
export function parseCpu(text: string, field: string): number {
  const match = /^([0-9]+(?:\.[0-9]+)?)(m)?$/.exec(text)
  const milliCores = match ? Number(match[1]) * (match[2] === 'm' ? 1 : 1000) : NaN
  if (!Number.isFinite(milliCores) || milliCores <= 0) {
    throw new BrambleError('INVALID', `${field} "${text}" is not an amount of CPU; write it like 100m or 0.5`)
  }
  return milliCores
}
