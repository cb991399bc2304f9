/** Pods and Deployments as the API server gives them, for the pure halves of the provider. */
import { viewDeployment, viewPod, type DeploymentView, type PodView } from '../../../platform/provider/kubernetes/objects.ts'
import { specOf } from '../spec-of.ts'

export const startedAt = '2026-03-01T10:00:00Z'
export const startedAtMs = Date.parse(startedAt)

export function podObject(more: { readonly name?: string; readonly metadata?: object; readonly spec?: object; readonly status?: object; readonly revision?: string } = {}): object {
  const name = more.name ?? 'echo-1'
  return {
    metadata: {
      name, namespace: 'openfaas-fn', uid: `uid-${name}`, resourceVersion: '7', creationTimestamp: startedAt,
      labels: { faas_function: 'echo' },
      annotations: { 'bramble/incarnation': 'i1', 'bramble/revision': more.revision ?? 'r1' },
      ...more.metadata,
    },
    spec: { nodeName: 'zero-1', terminationGracePeriodSeconds: 45, ...more.spec },
    status: {
      phase: 'Running', podIP: '10.42.1.5',
      conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: startedAt }, { type: 'PodScheduled', status: 'True' }],
      containerStatuses: [{ name: 'echo', restartCount: 0, state: { running: { startedAt } } }],
      ...more.status,
    },
  }
}

export function podOf(more: Parameters<typeof podObject>[0] = {}): PodView {
  const view = viewPod(podObject(more))
  if (!view) throw new Error('not a pod of a function')
  return view
}

/** Status of a container that waits, and of how it ended before. */
export function waiting(reason: string, message = '', lastEnd?: object, restartCount = 0): object {
  return {
    phase: 'Pending', conditions: [],
    containerStatuses: [{
      name: 'echo', restartCount, state: { waiting: { reason, message } }, ...(lastEnd ? { lastState: { terminated: lastEnd } } : {}),
    }],
  }
}

export function deploymentView(more: { readonly replicas?: number; readonly revision?: string; readonly status?: object } = {}): DeploymentView {
  const { name, ...rest } = specOf('echo', { constraints: ['bramble/storage=true'] })
  const view = viewDeployment({
    metadata: {
      name, namespace: 'openfaas-fn', uid: 'd1', resourceVersion: '9', creationTimestamp: startedAt,
      annotations: { 'bramble/spec': JSON.stringify({ service: name, ...rest }) },
    },
    spec: {
      replicas: more.replicas ?? 1,
      template: { metadata: { annotations: { 'bramble/incarnation': 'i1', 'bramble/revision': more.revision ?? 'r1' } } },
    },
    status: more.status ?? {},
  })
  if (!view) throw new Error('not a function')
  return view
}
