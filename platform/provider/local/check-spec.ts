/** Refuses a spec that this provider could not run, before anything is changed. Pure. */
import { BrambleError } from '../../lib/errors.ts'
import { readScaleLabels } from '../../openfaas/labels.ts'
import { parseCpu, parseMemory } from '../../openfaas/quantity.ts'
import type { FunctionSpec } from '../../openfaas/types.ts'
import { checkVolume } from '../../openfaas/volume.ts'
import { probePathOf } from './probe.ts'

/** `INVALID` names what is wrong. */
export function checkSpec(spec: FunctionSpec, maxReplicas: number): void {
  const { min } = readScaleLabels(spec.labels)
  checkReplicas(min, maxReplicas, 'com.openfaas.scale.min')
  checkVolume(spec, min, 'com.openfaas.scale.min')
  for (const [field, resources] of Object.entries({ limits: spec.limits, requests: spec.requests })) {
    if (resources?.memory !== undefined) parseMemory(resources.memory, `${field}.memory`)
    if (resources?.cpu !== undefined) parseCpu(resources.cpu, `${field}.cpu`)
  }
  probePathOf(spec)
  for (const [name, value] of Object.entries(spec.envVars)) {
    // No process can be started with these.
    if (name === '' || /[=\0]/.test(name) || value.includes('\0')) {
      throw new BrambleError('INVALID', `the environment variable "${name}" of function ${spec.name} cannot be set`)
    }
  }
}

export function checkReplicas(replicas: number, maxReplicas: number, what: string): void {
  if (Number.isSafeInteger(replicas) && replicas >= 0 && replicas <= maxReplicas) return
  throw new BrambleError('INVALID', `${what} is ${replicas}, but a function has 0 to ${maxReplicas} replicas on this provider`)
}
