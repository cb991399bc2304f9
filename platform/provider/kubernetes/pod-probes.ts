/** The kubelet's probes of a function's container, out of the annotations. Pure. */
import { BrambleError } from '../../lib/errors.ts'
import type { FunctionSpec } from '../../openfaas/types.ts'
import { FUNCTION_PORT } from './names.ts'
import { secondsOf, TEMPLATE_PROCESS } from './timing.ts'

type Annotations = Readonly<Record<string, string>>

const HEALTH = 'com.openfaas.health.http'
const READY = 'com.openfaas.ready.http'
/** Every image that runs on OpenFaaS answers it; `/_/ready` would be a call of the function with the classic watchdog. */
const HEALTH_PATH = '/_/health'
/** Of our runtime: its handler is loaded. */
const READY_PATH = '/_/ready'
/** How soon Kubernetes lets a rolling update go on: the gateway itself does not wait for it. */
const READY_DEFAULTS = { initialDelaySeconds: 0, periodSeconds: 2, timeoutSeconds: 2, successThreshold: 1, failureThreshold: 3 }
/** A function that computes for half a minute without a pause is not dead yet. */
const HEALTH_DEFAULTS = { initialDelaySeconds: 0, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 3 }

export function probesOf({ annotations, envProcess }: Pick<FunctionSpec, 'annotations' | 'envProcess'>): { readinessProbe: object; livenessProbe: object } {
  const healthPath = annotations[`${HEALTH}.path`]
  // The older spelling takes a duration.
  const oldDelay = annotations[`${HEALTH}.initialDelay`]
  const health = { ...HEALTH_DEFAULTS, ...(oldDelay === undefined ? {} : { initialDelaySeconds: Math.ceil(secondsOf(oldDelay, `${HEALTH}.initialDelay`)) }) }
  return {
    readinessProbe: probe(annotations, READY, annotations[`${READY}.path`] ?? healthPath ?? (envProcess === TEMPLATE_PROCESS ? READY_PATH : HEALTH_PATH), READY_DEFAULTS),
    livenessProbe: probe(annotations, HEALTH, healthPath ?? HEALTH_PATH, health),
  }
}

function probe(annotations: Annotations, prefix: string, path: string, defaults: Readonly<Record<string, number>>): object {
  if (!/^\/[\x21-\x7e]*$/.test(path)) {
    throw new BrambleError('INVALID', `annotation ${prefix}.path must be a path like /_/ready, not "${path}"`)
  }
  const numbers = Object.entries(defaults).map(([field, fallback]) => [field, wholeNumber(annotations, `${prefix}.${field}`) ?? fallback])
  return { httpGet: { path, port: FUNCTION_PORT, scheme: 'HTTP' }, ...Object.fromEntries(numbers) }
}

function wholeNumber(annotations: Annotations, name: string): number | undefined {
  const text = annotations[name]
  if (text === undefined) return undefined
  // A delay may be nothing, the others may not.
  const pattern = name.endsWith('initialDelaySeconds') ? /^[0-9]{1,5}$/ : /^[1-9][0-9]{0,4}$/
  if (!pattern.test(text)) throw new BrambleError('INVALID', `annotation ${name} must be a whole number of seconds or times, not "${text}"`)
  return Number(text)
}
