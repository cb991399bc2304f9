/** Functions as objects of the cluster: one change of each at a time, acknowledged when the API has it. */
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { BrambleError, reasonOf } from '../../lib/errors.ts'
import { createLocks } from '../../lib/locks.ts'
import type { Log } from '../../lib/log.ts'
import { readScaleLabels } from '../../openfaas/labels.ts'
import { serviceName } from '../../openfaas/names.ts'
import type { FunctionRef, FunctionSpec, FunctionStatus } from '../../openfaas/types.ts'
import type { Provider } from '../provider.ts'
import type { Client } from './client.ts'
import type { Cluster } from './cluster.ts'
import { isApiError, translate, translated } from './errors.ts'
import { checkReplicas, checkSpec, claimNameOf, claimOf, companionsOf, deploymentOf, type Owner } from './manifests.ts'
import { DELETION_COST_ANNOTATION, EXITS_ANNOTATION } from './names.ts'
import { exitsPolicyName } from './network-policies.ts'
import { viewDeployment, viewObject, type DeploymentView } from './objects.ts'
import { textAt } from './json.ts'
import type { Gateway } from './pod-template.ts'
import { paths } from './paths.ts'
import { readProfiles } from './profiles.ts'
import type { Rotation } from './rotation.ts'
import { chooseScaleDown } from './scale-down.ts'
import type { Secrets } from './secrets.ts'
import { statusOf } from './status.ts'

export type Functions = Pick<Provider, 'list' | 'get' | 'scale' | 'remove'> & {
  /** `owner` is the Function object it belongs to. */
  apply(spec: FunctionSpec, owner?: Owner): Promise<void>
}

export type FunctionsDeps = {
  readonly client: Client
  readonly cluster: Cluster
  readonly rotation: Rotation
  readonly secrets: Secrets
  /** The digest of an image's content; `undefined` when its registry does not say; `INVALID` when it says there is none. */
  readonly digestOf: (image: string) => Promise<string | undefined>
  readonly gateway: () => Gateway | undefined
  readonly usageOf: (ref: FunctionRef) => Promise<FunctionStatus['usage']>
  readonly readyDeadlineMs: number
  readonly log: Log
}

/** Somebody else changed the same function between our reading and writing; more often than this is a quarrel. */
const MAX_TRIES = 8
/** A function that is still being removed is waited for this long. */
const GONE_TRIES = 100
const GONE_POLL_MS = 100
const DOOMED = '-100'

export function createFunctions(deps: FunctionsDeps): Functions {
  const { client, cluster, rotation, secrets, digestOf, gateway, usageOf, readyDeadlineMs, log } = deps
  const locks = createLocks()
  const alone = <T>(ref: FunctionRef, body: () => Promise<T>): Promise<T> => locks.exclusive(serviceName(ref), () =>
    translated(`function ${ref.name} in namespace ${ref.namespace}`, body))

  const find = (ref: FunctionRef): DeploymentView => {
    const found = cluster.deployment(ref)
    if (found) return found
    throw new BrambleError('NOT_FOUND', `function ${ref.name} is not deployed in namespace ${ref.namespace}`)
  }

  const statusFor = (deployment: DeploymentView): FunctionStatus => statusOf({
    deployment, readyDeadlineMs, pods: cluster.pods(deployment), isServing: rotation.isServing,
    shown: rotation.shownRevision(deployment), nowMs: Date.now(),
  })

  /** The Deployment as the API has it now; one that is going is waited for. */
  const read = async ({ name, namespace }: FunctionRef): Promise<unknown> => {
    for (let tries = 1; ; tries++) {
      try {
        const object = await client.get(paths.deployments(namespace, name))
        if (!viewObject(object)?.isLeaving) return object
      } catch (error) {
        if (isApiError(error, 404)) return undefined
        throw error
      }
      if (tries === GONE_TRIES) throw new BrambleError('CONFLICT', `function ${name} is still being removed from namespace ${namespace}`)
      await sleep(GONE_POLL_MS)
    }
  }

  const write = async (spec: FunctionSpec, owner: Owner | undefined): Promise<void> => {
    const [secretViews, profiles, digest] = await Promise.all([
      secrets.viewsOf(spec), readProfiles(client, spec.annotations), digestOf(spec.image),
    ])
    const { min } = readScaleLabels(spec.labels)
    const hasMin = spec.labels['com.openfaas.scale.min'] !== undefined
    for (let tries = 1; ; tries++) {
      const present = await read(spec)
      const view = viewDeployment(present)
      const replicas = view ? (hasMin ? Math.max(view.replicas, min) : view.replicas) : min
      checkReplicas(replicas, 'replicas', spec)
      const resourceVersion = textAt(present, 'metadata', 'resourceVersion')
      const deployment = deploymentOf({
        spec, replicas, digest, profiles, secrets: secretViews, gateway: gateway(),
        incarnation: view?.incarnation || randomBytes(6).toString('hex'),
        ...(resourceVersion === undefined ? {} : { resourceVersion }),
        owner: owner ?? view?.owner,
      })
      try {
        const claim = claimOf(spec)
        if (claim) await client.apply(paths.claims(spec.namespace, claimNameOf(spec)), claim)
        const written = await client.apply(paths.deployments(spec.namespace, spec.name), deployment)
        const uid = textAt(written, 'metadata', 'uid') ?? ''
        const { service, exits } = companionsOf(spec, uid)
        cluster.putDeployment(written)
        await client.apply(paths.services(spec.namespace, spec.name), service)
        if (exits) await client.apply(paths.policies(spec.namespace, exitsPolicyName(spec.name)), exits)
        else if (view?.spec.annotations[EXITS_ANNOTATION]) await removeExits(spec)
        return
      } catch (error) {
        if (!isApiError(error, 409, 'Conflict') || tries === MAX_TRIES) throw error
      }
    }
  }

  const removeExits = async ({ name, namespace }: FunctionRef): Promise<void> => {
    try {
      await client.remove(paths.policies(namespace, exitsPolicyName(name)))
    } catch (error) {
      if (!isApiError(error, 404)) throw error
    }
  }

  /** Marks those that are to go, so that Kubernetes takes the same ones; they leave the rotation at once. */
  const mark = async (deployment: DeploymentView, replicas: number): Promise<void> => {
    const { doom, spare } = chooseScaleDown(cluster.pods(deployment), deployment.incarnation, replicas)
    await Promise.all([...doom.map((pod) => ({ pod, cost: DOOMED })), ...spare.map((pod) => ({ pod, cost: null }))].map(async ({ pod, cost }) => {
      try {
        cluster.putPod(await client.merge(paths.pods(pod.namespace, pod.name), { metadata: { annotations: { [DELETION_COST_ANNOTATION]: cost } } }))
      } catch (error) {
        // Gone already, or another will go in its place: no reason not to scale.
        if (!isApiError(error, 404)) log.warn('a pod could not be marked', { pod: pod.name, error: reasonOf(error) })
      }
    }))
  }

  return {
    async apply(spec, owner) {
      checkSpec(spec)
      await alone(spec, async () => {
        if (!cluster.namespace(spec.namespace)) {
          throw new BrambleError('INVALID', `namespace ${spec.namespace} of function ${spec.name} does not exist: create it first`)
        }
        await write(spec, owner)
      })
    },

    async list(namespace) {
      cluster.checkNamespace(namespace)
      return cluster.deployments(namespace).toSorted((a, b) => (a.name < b.name ? -1 : 1)).map(statusFor)
    },

    async get(ref, options) {
      const found = cluster.deployment(ref)
      if (!found) return undefined
      const usage = options?.withUsage ? await usageOf(ref) : undefined
      return { ...statusFor(cluster.deployment(ref) ?? found), ...(usage ? { usage } : {}) }
    },

    async scale(ref, replicas) {
      checkReplicas(replicas, 'replicas')
      await alone(ref, async () => {
        const deployment = find(ref)
        checkReplicas(replicas, 'replicas', deployment.spec)
        if (deployment.replicas === replicas) return
        await mark(deployment, replicas)
        try {
          cluster.putDeployment(await client.merge(paths.deployments(ref.namespace, ref.name), { spec: { replicas } }))
        } catch (error) {
          await mark(deployment, deployment.replicas)
          throw isApiError(error, 404)
            ? new BrambleError('NOT_FOUND', `function ${ref.name} is not deployed in namespace ${ref.namespace}`, { cause: error })
            : translate(error, `function ${ref.name}`)
        }
      })
    },

    remove: (ref) => alone(ref, async () => {
      const deployment = find(ref)
      // What it belongs to first, or it would be made again.
      const { owner } = deployment
      if (owner) await removeIfThere(() => client.remove(paths.functions(ref.namespace, owner.name), { uid: owner.uid }))
      await removeIfThere(() => client.remove(paths.deployments(ref.namespace, ref.name), { uid: deployment.uid }))
      cluster.dropDeployment(deployment)
    }),
  }
}

async function removeIfThere(remove: () => Promise<unknown>): Promise<void> {
  try {
    await remove()
  } catch (error) {
    // Another of its name is there meanwhile (409 on the uid), or none.
    if (!isApiError(error, 404) && !isApiError(error, 409)) throw error
  }
}
