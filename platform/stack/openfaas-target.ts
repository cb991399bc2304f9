/**
 * What OpenFaaS's Community Edition would refuse of a stack, or take and ignore. Pure: nobody is asked.
 * Source: OpenFaaS's documentation (comparison of editions, labels, annotations, schedules) and its answers to deployments.
 */
import { DEFAULT_NAMESPACE } from '../openfaas/types.ts'
import type { DeploymentBody } from './deployment.ts'
import type { Finding } from './finding.ts'
import { registryHost, whyPrivate } from './private-image.ts'

const MAX_FUNCTIONS = 15
const MAX_REPLICAS = 5

const SCALE_PREFIX = 'com.openfaas.scale.'
/** It answers a deployment with them 400. */
const refusedLabels = ['type', 'target', 'zero-duration'].map((name) => SCALE_PREFIX + name)
const ignoredLabels = ['target-proportion', 'down.window'].map((name) => SCALE_PREFIX + name)
/** Names, or their beginnings, and what is lost without them. */
const ignoredAnnotations: readonly (readonly [string, string])[] = [
  ['bramble/volume-size', 'there are no volumes'],
  ['bramble/volume', 'there are no volumes: what the function writes is lost with its pod, and a service that keeps something must refuse to acknowledge it'],
  ['bramble/affinity', 'calls go to any replica: have one replica (com.openfaas.scale.max: "1")'],
  ['bramble/visibility', 'everybody who reaches the gateway may call the function: let it ask for a token'],
  ['bramble/exits', 'the function may call any address, unless network policies of your own say no'],
  ['bramble/generated-secrets', 'make the secrets before you deploy: faas-cli secret create NAME'],
  ['bramble/gateway-login-secret', 'make the secret before you deploy: faas-cli secret create NAME'],
  ['bramble/timezone', 'schedules are in UTC'],
  ['com.openfaas.retry.', 'asynchronous calls are not tried again'],
  ['com.openfaas.queue', 'there is one queue'],
  ['com.openfaas.profile', 'there are no profiles'],
  ['com.openfaas.serviceaccount', 'the pod has the default account'],
  ['com.openfaas.health.', 'it asks /_/health every 2 s'],
  ['com.openfaas.ready.', 'it asks /_/health every 2 s'],
  ['bramble/', 'it means something on Bramble alone'],
]
/** Annotations of clouds: 400. */
const refusedParts = ['amazonaws.com', 'gke.io'] as const
const CRON_TOPIC = 'cron-function'

export function checkForOpenfaas(bodies: readonly DeploymentBody[]): readonly Finding[] {
  const tooMany: readonly Finding[] = bodies.length <= MAX_FUNCTIONS ? [] : [{
    level: 'error', field: ['functions'],
    message: `there are ${bodies.length}, and Community Edition refuses more than ${MAX_FUNCTIONS}: leave some out, or deploy them to another cluster`,
  }]
  return [...tooMany, ...bodies.flatMap(checkOne)]
}

function checkOne(body: DeploymentBody): readonly Finding[] {
  const { service, image, namespace, constraints = [], labels, annotations } = body
  const found: Finding[] = []
  const say = (level: Finding['level'], field: readonly string[], message: string): void => { found.push({ level, function: service, field, message }) }
  const refuse = (field: readonly string[], message: string): void => say('error', field, `Community Edition refuses it: ${message}`)
  const ignore = (field: readonly string[], message: string): void => say('warning', field, `Community Edition ignores it: ${message}`)

  const why = whyPrivate(image)
  if (why !== undefined) refuse(['image'], `it asks ${registryHost(image)} for the image without credentials, and ${why}; push it to a public registry`)
  if (namespace !== undefined && namespace !== DEFAULT_NAMESPACE) refuse(['namespace'], `${DEFAULT_NAMESPACE} is the only one; remove the line`)
  if (constraints.length > 0) ignore(['constraints'], 'the function runs on any node; remove them')

  for (const [name, value] of Object.entries(labels)) {
    if (refusedLabels.includes(name)) refuse(['labels', name], 'it is for OpenFaaS Standard; remove it')
    if (name === `${SCALE_PREFIX}zero` && value === 'true') refuse(['labels', name], 'functions do not sleep; remove it')
    if (ignoredLabels.includes(name)) ignore(['labels', name], 'it is for OpenFaaS Standard; remove it')
    if (name !== `${SCALE_PREFIX}min` && name !== `${SCALE_PREFIX}max`) continue
    const replicas = Number(value)
    if (replicas > MAX_REPLICAS) refuse(['labels', name], `a function has at most ${MAX_REPLICAS} replicas, not ${value}; lower it`)
    if (replicas === 0) refuse(['labels', name], 'a function has at least one replica; raise it')
  }

  for (const [name, value] of Object.entries(annotations)) {
    const field = ['annotations', name]
    const cloud = refusedParts.find((part) => name.includes(part))
    const ignored = ignoredAnnotations.find(([start]) => name.startsWith(start))
    if (cloud !== undefined) refuse(field, `annotations of ${cloud} are for OpenFaaS Standard; remove it`)
    else if (ignored !== undefined) ignore(field, `${ignored[1]}; remove it`)
    if (name === 'topic' && value.includes(',')) refuse(field, 'a function has one topic; keep one of them')
    if (name === 'topic' && value.split(',').some((topic) => topic.trim() === CRON_TOPIC)) {
      say('warning', field, 'Community Edition has no schedules of its own: install its cron-connector, or nobody calls the function')
    }
    if (name === 'schedule' && value.split(';').filter((part) => part.trim() !== '').length > 1) {
      say('warning', field, 'several schedules are for OpenFaaS Standard: keep one of them, without ";"')
    }
  }
  return found
}
