/** What OpenFaaS's labels and annotations mean, and the refusal of those that make no sense. */
import { BrambleError } from '../lib/errors.ts'

export type ScaleLabels = {
  /** Lower bound, and the replicas a new function starts with. */
  readonly min: number
  readonly max: number
}

const DEFAULT_MIN = 1
/** As OpenFaaS Standard; the Community Edition has 5. */
const DEFAULT_MAX = 20

/** `com.openfaas.scale.min` and `.max`. `INVALID` names the label. */
export function readScaleLabels(labels: Readonly<Record<string, string>>): ScaleLabels {
  const min = wholeNumber(labels, 'com.openfaas.scale.min') ?? DEFAULT_MIN
  const max = wholeNumber(labels, 'com.openfaas.scale.max') ?? Math.max(DEFAULT_MAX, min)
  if (min > max) {
    throw new BrambleError('INVALID',
      `com.openfaas.scale.min (${min}) is greater than com.openfaas.scale.max (${max}): lower one or raise the other`)
  }
  return { min, max }
}

/** The path of a probe, from its annotation; readiness falls back to the health path, as OpenFaaS does. */
export function readReadyPath(annotations: Readonly<Record<string, string>>): string | undefined {
  return annotations['com.openfaas.ready.http.path'] ?? annotations['com.openfaas.health.http.path']
}

function wholeNumber(labels: Readonly<Record<string, string>>, name: string): number | undefined {
  const text = labels[name]
  if (text === undefined) return undefined
  if (!/^[0-9]{1,6}$/.test(text)) {
    throw new BrambleError('INVALID', `label ${name} must be a whole number, not "${text}"`)
  }
  return Number(text)
}
