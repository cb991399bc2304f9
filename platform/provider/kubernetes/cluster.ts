/** The cluster in memory: namespaces of functions, and in each its Deployments and pods, followed by watches. */
import { setTimeout as sleep } from 'node:timers/promises'
import { backoffMs } from '../../lib/backoff.ts'
import { BrambleError, reasonOf } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import type { Part } from '../../lib/parts.ts'
import { serviceName } from '../../openfaas/names.ts'
import { DEFAULT_NAMESPACE, type FunctionRef } from '../../openfaas/types.ts'
import type { Client } from './client.ts'
import { isApiError, translate } from './errors.ts'
import { viewFunctionObject, type FunctionObject } from './function-objects.ts'
import { FUNCTION_LABEL, FUNCTIONS_ANNOTATION } from './names.ts'
import {
  viewDeployment, viewNamespace, viewPod, type DeploymentView, type NamespaceView, type PodView,
} from './objects.ts'
import { paths } from './paths.ts'
import { createWatch, type Watched } from './watch.ts'

export type Cluster = Part & {
  /** Namespaces of functions that are not going, by name. */
  namespaces(): readonly NamespaceView[]
  namespace(name: string): NamespaceView | undefined
  /** `NOT_FOUND` for a namespace that is not there, or not for functions. */
  checkNamespace(name: string): void
  deployment(ref: FunctionRef): DeploymentView | undefined
  deployments(namespace: string): readonly DeploymentView[]
  /** All that carry the function's name, in the order they were first seen. */
  pods(ref: FunctionRef): readonly PodView[]
  /** What our own writes answered. */
  putNamespace(object: unknown): Promise<void>
  dropNamespace(name: string): void
  putDeployment(object: unknown): void
  dropDeployment(deployment: DeploymentView): void
  putPod(object: unknown): void
  podsIn(namespace: string): readonly PodView[]
  /** Of a pod that is about to get its address; else `undefined`. */
  nodeOfNewcomer(uid: string): string | undefined
  /** A newcomer's own word for where it is, until the kubelet says so. An address that is another pod's is ignored. */
  announced(uid: string, ip: string): void
}

export type ClusterDeps = {
  readonly client: Client
  /** Something about the function or its pods has changed. */
  readonly onFunction: (ref: FunctionRef) => void
  /** A namespace for functions is there, before its functions are known. */
  readonly onNamespace: (name: string) => Promise<void>
  /** Function objects, where the cluster knows such. */
  readonly onObject: (before: FunctionObject | undefined, after: FunctionObject | undefined) => void
  readonly log: Log
}

type Room = {
  readonly deployments: Watched<DeploymentView>
  readonly pods: Watched<PodView>
  readonly objects: Watched<FunctionObject>
  ready: Promise<void>
}

/** A namespace whose objects may not be read, because a role binding is missing, is tried again after this. */
const REFUSED_RETRY_MS = 30_000
const REFUSED_TRIES = 6
const REFUSED_BACKOFF = { firstMs: 50, maxMs: 1_000 }

export function createCluster(deps: ClusterDeps): Cluster {
  const { client, onNamespace, log } = deps
  const rooms = new Map<string, Room>()
  const podsOf = new Map<string, Map<string, PodView>>()
  const retries = new Map<string, NodeJS.Timeout>()
  /** By uid: addresses that the API does not know yet. */
  const announced = new Map<string, string>()
  let isOpen = false

  const onFunction = (ref: FunctionRef): void => {
    try {
      deps.onFunction(ref)
    } catch (error) {
      log.error('a change of a function could not be followed', { function: ref.name, namespace: ref.namespace, error: reasonOf(error) })
    }
  }

  const onDeployment = (before: DeploymentView | undefined, after: DeploymentView | undefined): void => {
    const one = after ?? before
    if (one) onFunction(refOf(one))
  }
  const onPod = (before: PodView | undefined, after: PodView | undefined): void => {
    const one = after ?? before
    if (!one) return
    const ref = { name: one.functionName, namespace: one.namespace }
    const key = serviceName(ref)
    const pods = podsOf.get(key) ?? new Map<string, PodView>()
    podsOf.set(key, pods)
    if (before && before.uid !== after?.uid) announced.delete(before.uid)
    // The same name with another identity is another pod: it goes to the end.
    if (before && before.uid !== after?.uid) pods.delete(before.key)
    if (after) pods.set(after.key, after)
    if (pods.size === 0) podsOf.delete(key)
    onFunction(ref)
  }

  const viewPodNow = (object: unknown): PodView | undefined => {
    const pod = viewPod(object)
    if (pod?.ip !== undefined) announced.delete(pod.uid)
    if (pod === undefined) return undefined
    const ip = announced.get(pod.uid)
    return ip === undefined ? pod : { ...pod, ip }
  }

  const openRoom = (name: string): Room => {
    const found = rooms.get(name)
    if (found) return found
    const query = { labelSelector: FUNCTION_LABEL }
    const room: Room = {
      deployments: createWatch({ client, path: paths.deployments(name), query, view: viewDeployment, onChange: onDeployment, log }),
      pods: createWatch({ client, path: paths.pods(name), query, view: viewPodNow, onChange: onPod, log }),
      objects: createWatch({ client, path: paths.functions(name), view: viewFunctionObject, onChange: deps.onObject, log }),
      ready: Promise.resolve(),
    }
    rooms.set(name, room)
    room.ready = (async () => {
      await onNamespace(name)
      // Pods first: a function is never shown without those it has.
      await patiently(room.pods.start)
      await patiently(room.deployments.start)
      // A cluster without these objects, or a role that leaves them out, has functions all the same.
      void room.objects.start().catch((error: unknown) => log.info('Function objects are not read', { namespace: name, error: reasonOf(error) }))
    })()
    room.ready.catch((error: unknown) => {
      log.error('the functions of a namespace cannot be read: bind the role bramble-functions in it', { namespace: name, error: reasonOf(error) })
      void closeRoom(name)
      if (!isOpen) return
      retries.set(name, setTimeout(() => {
        if (isOpen && namespaces.items.has(`/${name}`)) openRoom(name)
      }, REFUSED_RETRY_MS))
    })
    return room
  }
  const closeRoom = async (name: string): Promise<void> => {
    clearTimeout(retries.get(name))
    retries.delete(name)
    const room = rooms.get(name)
    if (!room) return
    rooms.delete(name)
    const gone = [...room.deployments.items.values()].map(refOf)
    for (const key of podsOf.keys()) if (key.endsWith(`.${name}`)) podsOf.delete(key)
    for (const ref of gone) onFunction(ref)
    await Promise.all([room.deployments.stop(), room.pods.stop(), room.objects.stop()])
  }

  const onNamespaceChange = (before: NamespaceView | undefined, after: NamespaceView | undefined): void => {
    const name = (after ?? before)?.name ?? ''
    if (!isOpen) return
    if (after) openRoom(name)
    else void closeRoom(name)
  }
  const namespaces = createWatch<NamespaceView>({
    client, path: paths.namespaces(), log,
    view(object) {
      const one = viewNamespace(object)
      return one && !one.isLeaving && (one.name === DEFAULT_NAMESPACE || one.annotations[FUNCTIONS_ANNOTATION] === '1') ? one : undefined
    },
    onChange: onNamespaceChange,
  })

  const allPods = (): readonly PodView[] => [...rooms.values()].flatMap(({ pods }) => [...pods.items.values()])
  const newcomer = (uid: string): PodView | undefined => allPods().find((one) => one.uid === uid && one.ip === undefined && one.node !== undefined)
  const room = (name: string): Room | undefined => (namespaces.items.has(`/${name}`) ? rooms.get(name) : undefined)

  const cluster: Cluster = {
    async start() {
      if (isOpen) return
      isOpen = true
      try {
        await namespaces.start()
        if (!namespaces.items.has(`/${DEFAULT_NAMESPACE}`)) {
          throw new BrambleError('UNAVAILABLE', `the cluster has no namespace ${DEFAULT_NAMESPACE}: apply deploy.yml first`)
        }
        // One namespace that may not be read does not keep the others from being served; the default one does.
        await Promise.allSettled([...rooms.values()].map(({ ready }) => ready))
        await (rooms.get(DEFAULT_NAMESPACE)?.ready ?? openRoom(DEFAULT_NAMESPACE).ready)
      } catch (error) {
        await cluster.stop()
        throw translate(error, 'the functions of the cluster')
      }
    },
    async stop() {
      isOpen = false
      for (const timer of retries.values()) clearTimeout(timer)
      retries.clear()
      await namespaces.stop()
      await Promise.all([...rooms.keys()].map(closeRoom))
    },
    namespaces: () => [...namespaces.items.values()],
    namespace: (name) => namespaces.items.get(`/${name}`),
    checkNamespace(name) {
      if (!room(name)) throw new BrambleError('NOT_FOUND', `namespace ${name} does not exist, or is not annotated ${FUNCTIONS_ANNOTATION}=1`)
    },
    deployment: (ref) => {
      const found = room(ref.namespace)?.deployments.items.get(`${ref.namespace}/${ref.name}`)
      return found?.isLeaving ? undefined : found
    },
    deployments: (namespace) => [...room(namespace)?.deployments.items.values() ?? []].filter((one) => !one.isLeaving),
    pods: (ref) => [...podsOf.get(serviceName(ref))?.values() ?? []],
    async putNamespace(object) {
      namespaces.put(object)
      const view = viewNamespace(object)
      if (view) await rooms.get(view.name)?.ready
    },
    dropNamespace(name) {
      const found = namespaces.items.get(`/${name}`)
      if (found) namespaces.drop(found.key, found.uid)
    },
    putDeployment: (object) => rooms.get(viewDeployment(object)?.namespace ?? '')?.deployments.put(object),
    dropDeployment: (one) => rooms.get(one.namespace)?.deployments.drop(one.key, one.uid),
    podsIn: (namespace) => [...rooms.get(namespace)?.pods.items.values() ?? []],
    nodeOfNewcomer: (uid) => newcomer(uid)?.node,
    announced(uid, ip) {
      const pod = newcomer(uid)
      if (!pod || allPods().some((one) => one.ip === ip)) return
      announced.set(uid, ip)
      rooms.get(pod.namespace)?.pods.set({ ...pod, ip })
    },
    putPod: (object) => rooms.get(viewPod(object)?.namespace ?? '')?.pods.put(object),
  }
  return cluster
}

/** A role that was bound just now takes a moment to count. */
async function patiently(start: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await start()
    } catch (error) {
      if (tries === REFUSED_TRIES || !isApiError(error, 403)) throw error
      await sleep(backoffMs(tries + 1, REFUSED_BACKOFF))
    }
  }
}

function refOf(one: DeploymentView): FunctionRef {
  return { name: one.name, namespace: one.namespace }
}
