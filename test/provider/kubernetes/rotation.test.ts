import * as assert from 'node:assert/strict'
import { createLog } from '../../../platform/lib/log.ts'
import type { Cluster } from '../../../platform/provider/kubernetes/cluster.ts'
import type { DeploymentView, PodView } from '../../../platform/provider/kubernetes/objects.ts'
import { createProber } from '../../../platform/provider/kubernetes/probe.ts'
import { createRotation } from '../../../platform/provider/kubernetes/rotation.ts'
import { test } from '../../kit.ts'
import { deploymentView, podOf } from './pods.ts'

const quiet = createLog({ write: () => undefined })
const ref = { name: 'echo', namespace: 'openfaas-fn' }

/** What the watches have told so far. */
function known(objects: { deployment: DeploymentView | undefined; pods: readonly PodView[] }): Cluster {
  const never = (): never => { throw new Error('a route comes from the Deployment and its pods alone') }
  return {
    deployment: () => objects.deployment, pods: () => objects.pods,
    start: never, stop: never, namespaces: never, namespace: never, checkNamespace: never, deployments: never, putNamespace: never, dropNamespace: never,
    putDeployment: never, dropDeployment: never, putPod: never, podsIn: never, nodeOfNewcomer: never, announced: never,
  }
}

test("metrics are asked of the replicas that take calls, on the runtime's port for them", () => {
  const prober = createProber()
  const ready = podOf({ name: 'a' })
  const restarted = podOf({
    name: 'b', metadata: { name: 'b', uid: 'uid-b' },
    status: { podIP: '10.42.2.9', containerStatuses: [{ name: 'echo', restartCount: 2, ready: true, state: { running: {} } }] },
  })
  const objects: Parameters<typeof known>[0] = { deployment: undefined, pods: [] }
  const rotation = createRotation({ cluster: () => known(objects), prober, log: quiet })
  try {
    rotation.update(ref)
    assert.equal(rotation.metricsOf(ref), undefined, 'a function that is not there')
    objects.deployment = deploymentView({ replicas: 2 })
    rotation.update(ref)
    assert.deepEqual(rotation.metricsOf(ref), [], 'asleep, or still starting')
    objects.pods = [ready, restarted]
    rotation.update(ref)
    assert.deepEqual(rotation.metricsOf(ref), [{ instance: 'a', host: '10.42.1.5', port: 8081 }, { instance: 'b.2', host: '10.42.2.9', port: 8081 }])
    objects.pods = [{ ...ready, isLeaving: true }, restarted]
    rotation.update(ref)
    assert.deepEqual(rotation.metricsOf(ref)?.map(({ instance }) => instance), ['b.2'])
    assert.equal(rotation.metricsOf({ ...ref, namespace: 'other' }), undefined)
    objects.deployment = undefined
    rotation.update(ref)
    assert.equal(rotation.metricsOf(ref), undefined)
  } finally {
    rotation.stop()
    prober.stop()
  }
})
