/** What Bramble would refuse or not understand of a deployment. Pure. */
import { readAffinity } from '../openfaas/affinity.ts'
import { cronAnnotations, readCronPolicy, scheduleOf } from '../openfaas/cron-policy.ts'
import { readScaleLabels, readScalePolicy } from '../openfaas/labels.ts'
import { parseDeployment } from '../openfaas/parse.ts'
import { parseCpu, parseMemory } from '../openfaas/quantity.ts'
import { readRetryPolicy } from '../openfaas/retry-policy.ts'
import { checkVolume, volumePathOf } from '../openfaas/volume.ts'
import type { DeploymentBody } from './deployment.ts'
import { findingOf, type Finding } from './finding.ts'
import { nearest } from './nearest.ts'

const SCALE_PREFIX = 'com.openfaas.scale.'
const OWN_PREFIX = 'bramble/'

const scaleLabels = ['min', 'max', 'factor', 'type', 'target', 'target-proportion', 'zero', 'zero-duration', 'down.window']
  .map((name) => SCALE_PREFIX + name)
/** Those that somebody reads: a provider, the schedules, the gateway, the command. */
export const ownAnnotations = [
  'affinity', 'catch-up', 'exits', 'gateway-login-secret', 'generated-secrets', 'invocation', 'jitter', 'overlap', 'timezone', 'volume', 'volume-size',
].map((name) => OWN_PREFIX + name)

/** What does not speak of Bramble's own words: names, amounts, numbers of replicas. */
export function checkForAny(body: DeploymentBody): readonly Finding[] {
  return checkForBramble(body).filter(({ field }) => !field.some((part) => part.startsWith(OWN_PREFIX)))
}

/** Each field by itself, so that all that is wrong is told at once; then what is wrong only together. */
export function checkForBramble(body: DeploymentBody): readonly Finding[] {
  const { service, image, labels, annotations } = body
  const find = (field: readonly string[], check: () => unknown): readonly Finding[] => findingOf(service, field, check)
  const alone = [
    ...find(['image'], () => parseDeployment({ service, image })),
    ...find(['namespace'], () => parseDeployment({ service, image: 'a', namespace: body.namespace })),
    // Two bounds that cannot both be are told below.
    ...Object.entries(labels).flatMap(([name, value]) => find(['labels', name], () => readScalePolicy({ ...unbounded, [name]: value }))),
    ...Object.entries(annotations).flatMap(([name, value]) => find(['annotations', name], () => {
      readRetryPolicy({ [name]: value })
      readAffinity({ [name]: value })
      volumePathOf(specOf(service, {}, { [name]: value }))
      if (name === 'bramble/volume-size') parseMemory(value, 'annotation bramble/volume-size')
    })),
    ...cronOf(body),
    ...Object.entries(body.envVars ?? {}).flatMap(([name, value]) => find(['environment', name], () => parsePart({ envVars: { [name]: value } }))),
    ...(body.constraints ?? []).flatMap((one) => find(['constraints'], () => parsePart({ constraints: [one] }))),
    ...(body.secrets ?? []).flatMap((one) => find(['secrets'], () => parsePart({ secrets: [one] }))),
    ...(['limits', 'requests'] as const).flatMap((part) => Object.entries(body[part] ?? {}).flatMap(([name, amount]) =>
      find([part, name], () => parsePart({ [part]: { [name]: amount } })))),
  ]
  const together = alone.length > 0 ? [] : find([], () => {
    const spec = parseDeployment(body)
    checkVolume(spec, readScaleLabels(spec.labels).min, `${SCALE_PREFIX}min`)
  })
  return [...alone, ...together, ...amounts(body), ...unknownNames(body), ...scheduleWithoutTopic(body)]
}

/** What the platform refuses of a schedule, but for its expressions: reading those is cron's alone. */
function cronOf({ service, annotations }: DeploymentBody): readonly Finding[] {
  let schedule: string | undefined
  const missing = findingOf(service, ['annotations', 'topic'], () => { schedule = scheduleOf(annotations) })
  if (missing.length > 0 || schedule === undefined) return missing
  return cronAnnotations.flatMap((name) => {
    const value = annotations[name]
    return value === undefined ? [] : findingOf(service, ['annotations', name], () => readCronPolicy({ [name]: value }))
  })
}

/** Kubernetes refuses a function that asks for more than it may have. */
function amounts({ service, requests, limits }: DeploymentBody): readonly Finding[] {
  return ([['memory', parseMemory], ['cpu', parseCpu]] as const).flatMap(([name, parse]) => {
    const [asked, most] = [requests?.[name], limits?.[name]]
    if (asked === undefined || most === undefined) return []
    // What is no amount is told above.
    if (findingOf(service, [], () => [parse(asked, ''), parse(most, '')]).length > 0 || parse(asked, '') <= parse(most, '')) return []
    return [{ level: 'error' as const, function: service, field: ['requests', name], message: `${asked} is more than its limit of ${most}: lower one or raise the other` }]
  })
}

function scheduleWithoutTopic({ service, annotations }: DeploymentBody): readonly Finding[] {
  if (annotations['schedule'] === undefined || annotations['topic'] !== undefined) return []
  return [{ level: 'warning', function: service, field: ['annotations', 'schedule'], message: 'it never runs: add the annotation topic: cron-function' }]
}

/** So low and so high that any other bound fits. */
const unbounded = { [`${SCALE_PREFIX}min`]: '0', [`${SCALE_PREFIX}max`]: '999999' }

function parsePart(part: object): unknown {
  return parseDeployment({ service: 'a', image: 'a', ...part })
}

function specOf(name: string, labels: Readonly<Record<string, string>>, annotations: Readonly<Record<string, string>>): ReturnType<typeof parseDeployment> {
  return { ...parseDeployment({ service: 'a', image: 'a' }), name, labels, annotations }
}

/** Names that nobody reads: what they were meant to do will not happen. */
function unknownNames({ service, labels, annotations }: DeploymentBody): readonly Finding[] {
  const warn = (place: string, name: string, message: string): Finding => ({ level: 'warning', function: service, field: [place, name], message })
  const instead = (name: string, known: readonly string[]): string => {
    const meant = nearest(name, known)
    return meant === undefined ? `nobody reads it: remove it (there are ${known.join(', ')})` : `nobody reads it: did you mean ${meant}?`
  }
  return [
    ...Object.keys(labels).flatMap((name) => {
      if (name.startsWith(SCALE_PREFIX) && !scaleLabels.includes(name)) return [warn('labels', name, instead(name, scaleLabels))]
      return name.startsWith(OWN_PREFIX) ? [warn('labels', name, 'nobody reads it as a label: write it under annotations')] : []
    }),
    ...Object.keys(annotations).flatMap((name) => {
      if (name.startsWith(SCALE_PREFIX)) return [warn('annotations', name, 'nobody reads it as an annotation: write it under labels')]
      return name.startsWith(OWN_PREFIX) && !ownAnnotations.includes(name) ? [warn('annotations', name, instead(name, ownAnnotations))] : []
    }),
  ]
}
