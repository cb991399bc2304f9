/** Pods for the tests of the cluster itself: Node with a few lines of code. */
import { randomBytes } from 'node:crypto'
import { eventually } from '../kit.ts'
import type { Cluster } from './cluster.ts'

/** Pulling Node's image onto a worker of a busy machine takes a while. */
const POD_LIMIT_MS = 120_000
/** A pod on the same machine answers within a millisecond, unless the machine is very busy. */
const CALL_LIMIT_MS = 30_000
/** An address may be nobody's yet, and silent. */
const TRY_MS = 3_000

export type PodPlan = {
  readonly name: string
  readonly node?: string
  /** The program. */
  readonly code: string
  /** A claim, mounted at /data. */
  readonly claim?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly image?: string
}

/** Answers `text` to every request on port 8080. */
export function answers(text: string): string {
  return `require('node:http').createServer((q, r) => r.end(${JSON.stringify(text)})).listen(8080)`
}

export function podOf(cluster: Cluster, namespace: string, plan: PodPlan): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: plan.name, namespace, labels: plan.labels ?? {} },
    spec: {
      ...plan.node === undefined ? {} : { nodeSelector: { 'kubernetes.io/hostname': plan.node } },
      terminationGracePeriodSeconds: 0,
      automountServiceAccountToken: false,
      containers: [{
        name: 'node', image: plan.image ?? cluster.nodeImage, args: ['-e', plan.code],
        ...plan.claim === undefined ? {} : { volumeMounts: [{ name: 'data', mountPath: '/data' }] },
      }],
      ...plan.claim === undefined ? {} : { volumes: [{ name: 'data', persistentVolumeClaim: { claimName: plan.claim } }] },
    },
  }
}

/** A namespace of its own for one test; goes with all that is in it. */
export async function makeNamespace(cluster: Cluster): Promise<AsyncDisposable & { readonly name: string }> {
  const name = `test-${randomBytes(4).toString('hex')}`
  await cluster.kubectl('create', 'namespace', name)
  await eventually('the default account is made', () => succeeds(cluster.kubectl('-n', name, 'get', 'serviceaccount', 'default')), 60_000)
  return { name, [Symbol.asyncDispose]: async () => { await cluster.kubectl('delete', 'namespace', name, '--wait=false') } }
}

/** The address of a pod once it answers; what it answered. */
export async function untilAnswered(cluster: Cluster, namespace: string, pod: string): Promise<{ address: string; text: string }> {
  return eventually(`pod ${pod} answers`, async () => {
    const address = await podAddress(cluster, namespace, pod)
    const text = address === '' ? undefined : await call(address, TRY_MS).catch(() => undefined)
    return text === undefined ? false : { address, text }
  }, POD_LIMIT_MS).catch(async (error: unknown) => {
    throw new Error(await cluster.kubectl('-n', namespace, 'describe', 'pod', pod), { cause: error })
  })
}

export function podAddress(cluster: Cluster, namespace: string, pod: string): Promise<string> {
  return cluster.kubectl('-n', namespace, 'get', 'pod', pod, '--ignore-not-found', '-o', 'jsonpath={.status.podIP}')
}

/** Always a connection of its own. */
export async function call(address: string, limitMs = CALL_LIMIT_MS): Promise<string> {
  const response = await fetch(`http://${address}:8080/`, { headers: { connection: 'close' }, signal: AbortSignal.timeout(limitMs) })
  return response.text()
}

export async function succeeds(promise: Promise<unknown>): Promise<boolean> {
  return promise.then(() => true, () => false)
}
