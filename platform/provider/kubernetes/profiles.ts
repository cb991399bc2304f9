/** `Profile` objects (openfaas.com/v1): what a cluster's owner wants of pods, named by the annotation com.openfaas.profile. */
import { BrambleError } from '../../lib/errors.ts'
import type { Client } from './client.ts'
import { isApiError, translate } from './errors.ts'
import { isObject, listAt, objectAt, textAt, type Json } from './json.ts'
import { PLATFORM_NAMESPACE, PROFILE_ANNOTATION } from './names.ts'
import { paths } from './paths.ts'

export type Profile = {
  readonly tolerations: readonly unknown[]
  readonly topologySpreadConstraints: readonly unknown[]
  readonly podSecurityContext: Json
  readonly resources: Json
  /** Fields of the pod that are taken as they are: runtimeClassName, affinity, dnsPolicy, dnsConfig, priorityClassName. */
  readonly pod: Json
  readonly strategy: Json | undefined
}

const POD_FIELDS = ['runtimeClassName', 'affinity', 'dnsPolicy', 'dnsConfig', 'priorityClassName']

/** The names in the annotation, in their order: later ones win. */
export function profileNamesOf(annotations: Readonly<Record<string, string>>): readonly string[] {
  return (annotations[PROFILE_ANNOTATION] ?? '').split(',').map((name) => name.trim()).filter((name) => name !== '')
}

export function viewProfile(object: unknown): Profile {
  const spec = objectAt(object, 'spec')
  const strategy = objectAt(spec, 'strategy')
  return {
    tolerations: listAt(spec, 'tolerations'),
    topologySpreadConstraints: listAt(spec, 'topologySpreadConstraints'),
    podSecurityContext: objectAt(spec, 'podSecurityContext'),
    resources: objectAt(spec, 'resources'),
    pod: Object.fromEntries(POD_FIELDS.flatMap((field): [string, unknown][] => {
      const value = spec[field]
      return isObject(value) || textAt(spec, field) !== undefined ? [[field, value]] : []
    })),
    strategy: Object.keys(strategy).length > 0 ? strategy : undefined,
  }
}

/** `INVALID` names the one that is missing. */
export async function readProfiles(client: Client, annotations: Readonly<Record<string, string>>): Promise<readonly Profile[]> {
  return Promise.all(profileNamesOf(annotations).map(async (name) => {
    try {
      return viewProfile(await client.get(paths.profiles(PLATFORM_NAMESPACE, name)))
    } catch (error) {
      if (!isApiError(error, 404)) throw translate(error, `profile ${name}`)
      throw new BrambleError('INVALID', `profile ${name} is not there: create it in namespace ${PLATFORM_NAMESPACE}`, { cause: error })
    }
  }))
}
