/** What OpenFaaS's labels and annotations mean, and the refusal of those that make no sense. */
import { BrambleError } from '../lib/errors.ts'
import { parseGoDuration } from './duration.ts'

type Labels = Readonly<Record<string, string>>

export type ScaleLabels = {
  /** Lower bound, and the replicas a new function starts with. */
  readonly min: number
  readonly max: number
}

const loadTypes = ['rps', 'capacity', 'cpu', 'queue'] as const
/** Calls begun a second, calls under way, thousandths of a core, queued calls. */
export type LoadType = (typeof loadTypes)[number]

export type ScalePolicy = ScaleLabels & {
  /**
   * `target`: as many replicas as the load needs, OpenFaaS Standard's formula. `step`: the Community Edition's rule, a
   * step up while there are more than 5 calls a second. `fixed`: nobody has asked for scaling, or there is no room.
   */
  readonly rule: 'fixed' | 'step' | 'target'
  readonly type: LoadType
  /** What one replica is meant to carry: the target times its proportion. */
  readonly loadPerReplica: number
  /** How long without work until it is put to sleep; `undefined`: never. */
  readonly zeroAfterMs: number | undefined
  /** Fewer replicas only when the load has asked for fewer all this time. */
  readonly downWindowMs: number
  /** The `step` rule's step, in percent of `max`. */
  readonly factorPercent: number
}

const DEFAULT_MIN = 1
/** As OpenFaaS Standard; the Community Edition has 5. */
const DEFAULT_MAX = 20
/** As OpenFaaS Standard, like those that follow. */
const DEFAULT_TARGET = 50
const DEFAULT_PROPORTION = 0.9
const DEFAULT_ZERO_AFTER_MS = 15 * 60_000
const MAX_DOWN_WINDOW_MS = 5 * 60_000
/** The window has no default there, but loads are averaged over this time, which steadies as much. */
const DEFAULT_DOWN_WINDOW_MS = 30_000
/** As its documentation says. */
const DEFAULT_FACTOR_PERCENT = 20
const MAX_TARGET = 1_000_000
/** Timers cannot wait longer; nobody means more. */
const MAX_ZERO_AFTER_MS = 2 ** 31 - 1

const PREFIX = 'com.openfaas.scale'
/** Only OpenFaaS Standard knows these: one of them asks for its formula. */
const standardLabels = ['type', 'target', 'target-proportion', 'zero-duration', 'down.window']
  .map((name) => `${PREFIX}.${name}`)
const stepLabels = ['min', 'max', 'factor'].map((name) => `${PREFIX}.${name}`)

/** `com.openfaas.scale.min` and `.max`. `INVALID` names the label. */
export function readScaleLabels(labels: Labels): ScaleLabels {
  const min = wholeNumber(labels, `${PREFIX}.min`) ?? DEFAULT_MIN
  const max = wholeNumber(labels, `${PREFIX}.max`) ?? Math.max(DEFAULT_MAX, min)
  if (min > max) {
    throw new BrambleError('INVALID',
      `com.openfaas.scale.min (${min}) is greater than com.openfaas.scale.max (${max}): lower one or raise the other`)
  }
  return { min, max }
}

/** All of `com.openfaas.scale.…`. `INVALID` names the label. */
export function readScalePolicy(labels: Labels): ScalePolicy {
  const bounds = readScaleLabels(labels)
  const isZero = flag(labels, `${PREFIX}.zero`)
  const zeroAfterMs = durationOf(labels, `${PREFIX}.zero-duration`, 1, MAX_ZERO_AFTER_MS) ?? DEFAULT_ZERO_AFTER_MS
  const target = decimal(labels, `${PREFIX}.target`, MAX_TARGET) ?? DEFAULT_TARGET
  const proportion = decimal(labels, `${PREFIX}.target-proportion`, 1) ?? DEFAULT_PROPORTION
  const isStandard = isZero || standardLabels.some((name) => labels[name] !== undefined)
  return {
    ...bounds,
    rule: bounds.min === bounds.max ? 'fixed'
      : isStandard ? 'target'
      : stepLabels.some((name) => labels[name] !== undefined) ? 'step' : 'fixed',
    type: loadType(labels, `${PREFIX}.type`) ?? 'rps',
    loadPerReplica: target * proportion,
    zeroAfterMs: isZero ? zeroAfterMs : undefined,
    downWindowMs: durationOf(labels, `${PREFIX}.down.window`, 0, MAX_DOWN_WINDOW_MS) || DEFAULT_DOWN_WINDOW_MS,
    factorPercent: percent(labels, `${PREFIX}.factor`) ?? DEFAULT_FACTOR_PERCENT,
  }
}

/** The path of a probe, from its annotation; readiness falls back to the health path, as OpenFaaS does. */
export function readReadyPath(annotations: Labels): string | undefined {
  return annotations['com.openfaas.ready.http.path'] ?? annotations['com.openfaas.health.http.path']
}

function wholeNumber(labels: Labels, name: string): number | undefined {
  const text = labels[name]
  if (text === undefined) return undefined
  if (!/^[0-9]{1,6}$/.test(text)) throw bad(name, 'a whole number', text)
  return Number(text)
}

function percent(labels: Labels, name: string): number | undefined {
  const value = wholeNumber(labels, name)
  if (value !== undefined && (value < 1 || value > 100)) {
    throw bad(name, 'a whole number from 1 to 100 (equal min and max switch scaling off)', String(value))
  }
  return value
}

function decimal(labels: Labels, name: string, most: number): number | undefined {
  const text = labels[name]
  if (text === undefined) return undefined
  const value = /^[0-9]{1,7}(\.[0-9]{1,6})?$/.test(text) ? Number(text) : NaN
  if (!(value > 0 && value <= most)) throw bad(name, `a number above 0 and up to ${most}`, text)
  return value
}

function flag(labels: Labels, name: string): boolean {
  const text = labels[name]
  if (text !== undefined && text !== 'true' && text !== 'false') throw bad(name, '"true" or "false"', text)
  return text === 'true'
}

function loadType(labels: Labels, name: string): LoadType | undefined {
  const text = labels[name]
  const found = loadTypes.find((type) => type === text)
  if (text !== undefined && found === undefined) throw bad(name, `one of ${loadTypes.join(', ')}`, text)
  return found
}

function durationOf(labels: Labels, name: string, leastMs: number, mostMs: number): number | undefined {
  const text = labels[name]
  if (text === undefined) return undefined
  const ms = parseGoDuration(text, `label ${name}`)
  if (ms < leastMs || ms > mostMs) throw bad(name, `from ${leastMs} ms to ${Math.floor(mostMs / 60_000)}m`, text)
  return ms
}

function bad(name: string, wanted: string, text: string): BrambleError {
  return new BrambleError('INVALID', `label ${name} must be ${wanted}, not "${text.slice(0, 80)}"`)
}
