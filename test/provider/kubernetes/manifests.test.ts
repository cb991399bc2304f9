import * as assert from 'node:assert/strict'
import { checkReplicas, checkSpec, claimOf, companionsOf, deploymentOf, type FunctionFacts } from '../../../platform/provider/kubernetes/manifests.ts'
import { listAt, objectAt, textAt, textsAt, type Json } from '../../../platform/provider/kubernetes/json.ts'
import { viewDeployment } from '../../../platform/provider/kubernetes/objects.ts'
import { pullPolicyOf } from '../../../platform/provider/kubernetes/pod-template.ts'
import { viewProfile } from '../../../platform/provider/kubernetes/profiles.ts'
import type { FunctionSpec } from '../../../platform/openfaas/types.ts'
import { cases, test } from '../../kit.ts'
import { specOf } from '../spec-of.ts'

function made(more: Partial<FunctionSpec> = {}, facts: Partial<FunctionFacts> = {}): { all: object; pod: Json; container: Json; template: Json } {
  const all = deploymentOf({ spec: specOf('echo', more), replicas: 1, incarnation: 'i1', digest: undefined, secrets: [], profiles: [], ...facts })
  const template = objectAt(all, 'spec', 'template')
  const pod = objectAt(template, 'spec')
  return { all, template, pod, container: objectAt({ it: listAt(pod, 'containers')[0] }, 'it') }
}

test('a function is reported from its Deployment as it was sent', () => {
  const spec = specOf('echo', {
    envProcess: 'node index.js', envVars: { a: '1' }, constraints: ['zone=here'], secrets: ['key'], labels: { team: 'a' },
    annotations: { note: '{"a":1}' }, limits: { memory: '64Mi' }, requests: { cpu: '10m' }, readOnlyRootFilesystem: false,
  })
  const view = viewDeployment(deploymentOf({ spec, replicas: 2, incarnation: 'i1', digest: 'sha256:ab', secrets: [], profiles: [] }))
  assert.deepEqual(view?.spec, spec)
  assert.equal(view?.replicas, 2)
  assert.equal(view?.incarnation, 'i1')
})

test('its pods have as little power as they need', () => {
  const { pod, container } = made()
  assert.deepEqual(pod['securityContext'], {
    runAsNonRoot: true, runAsUser: 12000, runAsGroup: 12000, fsGroup: 12000, fsGroupChangePolicy: 'OnRootMismatch', seccompProfile: { type: 'RuntimeDefault' },
  })
  assert.deepEqual(container['securityContext'], { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } })
  assert.equal(pod['automountServiceAccountToken'], false)
  assert.equal(pod['enableServiceLinks'], false)
  assert.deepEqual(pod['dnsConfig'], { options: [{ name: 'ndots', value: '1' }] })
  assert.deepEqual(container['volumeMounts'], [{ name: 'temp', mountPath: '/tmp' }])
})

test('a root that may be written is asked for', () => {
  assert.equal(objectAt(made({ readOnlyRootFilesystem: false }).container, 'securityContext')['readOnlyRootFilesystem'], false)
})

test('replicas are replaced one by one, spread over the boards, and leave a board that is gone', () => {
  const { all, pod } = made()
  assert.deepEqual(objectAt(all, 'spec', 'strategy'), { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } })
  const [spread] = listAt(pod, 'topologySpreadConstraints')
  assert.equal(textAt(spread, 'whenUnsatisfiable'), 'ScheduleAnyway')
  assert.deepEqual(listAt(pod, 'tolerations').map((one) => [textAt(one, 'key'), objectAt({ one }, 'one')['tolerationSeconds']]), [
    ['node.kubernetes.io/not-ready', 20], ['node.kubernetes.io/unreachable', 20],
  ])
  assert.equal(pod['priorityClassName'], 'bramble-function')
})

const template = { envProcess: 'node index.mjs' }

cases('its end is timed by its time limits:', [
  { name: 'whoever may drop calls is told to end when they are over', more: {}, preStop: 30, grace: 40 },
  { name: 'the longer of two limits', more: { envVars: { exec_timeout: '2m', write_timeout: '10s' } }, preStop: 120, grace: 130 },
  { name: 'whole seconds', more: { envVars: { write_timeout: '90' } }, preStop: 90, grace: 100 },
  { name: 'parts of a second are rounded up', more: { envVars: { exec_timeout: '1500ms' } }, preStop: 2, grace: 12 },
  { name: 'nonsense and no limit are the default', more: { envVars: { exec_timeout: 'soon', write_timeout: '0' } }, preStop: 30, grace: 40 },
  { name: 'our runtime is told soon, and finishes its calls', more: template, preStop: 5, grace: 46, shutdown: '31s' },
  { name: 'its longest call counts', more: { ...template, envVars: { exec_timeout: '2m' } }, preStop: 5, grace: 136, shutdown: '121s' },
  { name: 'with a volume callers wait for the next one, so it is told at once', more: { ...template, annotations: { 'bramble/volume': '/data' } }, preStop: 1, grace: 42, shutdown: '31s' },
  { name: 'with a volume nobody is waited for longer than callers are held', more: { annotations: { 'bramble/volume': '/data' } }, preStop: 5, grace: 15 },
  { name: 'its own limit counts more', more: { ...template, envVars: { exec_timeout: '2m', shutdown_timeout: '10s' } }, preStop: 5, grace: 25, shutdown: '10s' },
] as readonly { name: string; more: Partial<FunctionSpec>; preStop: number; grace: number; shutdown?: string }[], ({ more, preStop, grace, shutdown }) => {
  const { pod, container } = made(more)
  assert.deepEqual(container['lifecycle'], { preStop: { sleep: { seconds: preStop } } })
  assert.equal(pod['terminationGracePeriodSeconds'], grace)
  assert.equal(textAt(listAt(container, 'env').find((one) => textAt(one, 'name') === 'shutdown_timeout'), 'value'), shutdown)
})

cases('memory and CPU', [
  { name: 'small defaults, no CPU limit', more: {}, limits: { memory: '128Mi' }, requests: { memory: '32Mi', cpu: '20m' } },
  { name: 'as they were sent', more: { limits: { memory: '1Gi', cpu: '1' }, requests: { memory: '64Mi', cpu: '500m' } }, limits: { memory: '1Gi', cpu: '1' }, requests: { memory: '64Mi', cpu: '500m' } },
  { name: 'a small limit lowers the request', more: { limits: { memory: '16Mi', cpu: '10m' } }, limits: { memory: '16Mi', cpu: '10m' }, requests: { memory: '16Mi', cpu: '10m' } },
  { name: 'a large request raises the limit', more: { requests: { memory: '256Mi' } }, limits: { memory: '256Mi' }, requests: { memory: '256Mi', cpu: '20m' } },
  { name: 'devices in both', more: { limits: { 'nvidia.com/gpu': '1' } }, limits: { memory: '128Mi', 'nvidia.com/gpu': '1' }, requests: { memory: '32Mi', cpu: '20m', 'nvidia.com/gpu': '1' } },
] as const, ({ more, limits, requests }) => assert.deepEqual(made(more).container['resources'], { limits, requests }))

test('the kubelet asks for the health path unless annotations say otherwise', () => {
  assert.deepEqual(made().container['readinessProbe'], {
    httpGet: { path: '/_/health', port: 8080, scheme: 'HTTP' }, initialDelaySeconds: 0, periodSeconds: 2, timeoutSeconds: 2, successThreshold: 1, failureThreshold: 3,
  })
  assert.equal(textAt(objectAt(made(template).container, 'readinessProbe'), 'httpGet', 'path'), '/_/ready', 'our runtime says more')
  assert.equal(textAt(objectAt(made(template).container, 'livenessProbe'), 'httpGet', 'path'), '/_/health')
  const { container } = made({ annotations: {
    'com.openfaas.health.http.path': '/live', 'com.openfaas.health.http.initialDelay': '90s', 'com.openfaas.health.http.failureThreshold': '7',
    'com.openfaas.ready.http.path': '/ready', 'com.openfaas.ready.http.periodSeconds': '5',
  } })
  const liveness = objectAt(container, 'livenessProbe')
  assert.deepEqual([textAt(liveness, 'httpGet', 'path'), liveness['initialDelaySeconds'], liveness['failureThreshold']], ['/live', 90, 7])
  const readiness = objectAt(container, 'readinessProbe')
  assert.deepEqual([textAt(readiness, 'httpGet', 'path'), readiness['periodSeconds']], ['/ready', 5])
  assert.equal(textAt(objectAt(made({ annotations: { 'com.openfaas.health.http.path': '/live' } }).container, 'readinessProbe'), 'httpGet', 'path'), '/live')
})

test('constraints choose nodes', () => {
  assert.deepEqual(made({ constraints: ['zone=here', 'kubernetes.io/arch==arm64'] }).pod['nodeSelector'], { zone: 'here', 'kubernetes.io/arch': 'arm64' })
})

test('variables are in order, and reach the function as they were sent', () => {
  const env = listAt(made({ envProcess: 'node index.js', envVars: { b: '$(a) costs $5', a: '1' } }).container, 'env')
  assert.deepEqual(env, [
    { name: 'OPENFAAS_NAME', value: 'echo' }, { name: 'OPENFAAS_NAMESPACE', value: 'openfaas-fn' }, { name: 'a', value: '1' },
    { name: 'b', value: '$$(a) costs $5' }, { name: 'fprocess', value: 'node index.js' },
    { name: 'gateway_url', value: 'http://gateway.openfaas:8080' },
  ])
})

test('secrets are files of one volume; credentials of a registry are for pulling alone', () => {
  const secrets = [{ name: 'key', version: '1', isForPulling: false }, { name: 'registry', version: '1', isForPulling: true }]
  const { pod, container } = made({}, { secrets })
  assert.deepEqual(listAt(container, 'volumeMounts')[1], { name: 'echo-projected-secrets', mountPath: '/var/openfaas/secrets', readOnly: true })
  assert.deepEqual(listAt(pod, 'volumes')[1], { name: 'echo-projected-secrets', projected: { defaultMode: 0o444, sources: [{ secret: { name: 'key' } }] } })
  assert.deepEqual(pod['imagePullSecrets'], [{ name: 'registry' }])
})

test('the same facts make the same version; an image, a secret or a variable that changes makes another', () => {
  const secrets = [{ name: 'key', version: '1', isForPulling: false }]
  const revision = (more: Partial<FunctionSpec>, facts: Partial<FunctionFacts>): string | undefined =>
    textsAt(made(more, facts).template, 'metadata', 'annotations')['bramble/revision']
  const first = revision({}, { secrets, digest: 'sha256:a' })
  assert.equal(revision({}, { secrets, digest: 'sha256:a' }), first)
  assert.equal(revision({}, { secrets, digest: 'sha256:a', replicas: 5 }), first)
  const others = [
    revision({}, { secrets, digest: 'sha256:b' }), revision({}, { secrets: [{ ...secrets[0]!, version: '2' }], digest: 'sha256:a' }),
    revision({ envVars: { a: '1' } }, { secrets, digest: 'sha256:a' }),
  ]
  assert.equal(new Set([first, ...others]).size, 4)
})

cases('an image is pulled', [
  { name: 'once, with a digest', image: 'reg.local/echo:1@sha256:ab', policy: 'IfNotPresent' },
  { name: 'once, with a tag', image: 'reg.local:5000/echo:1', policy: 'IfNotPresent' },
  { name: 'each time, with latest', image: 'reg.local/echo:latest', policy: 'Always' },
  { name: 'each time, without a tag', image: 'reg.local:5000/echo', policy: 'Always' },
] as const, ({ image, policy }) => assert.equal(pullPolicyOf(image), policy))

test('the digest the registry told pins what runs', () => {
  assert.equal(made({}, { digest: 'sha256:ab' }).container['image'], 'registry.local/echo:1@sha256:ab')
})

test('a volume has one writer, and outlives its function', () => {
  const spec = { annotations: { 'bramble/volume': '/data' } }
  const { all, pod, container } = made(spec)
  assert.deepEqual(objectAt(all, 'spec', 'strategy'), { type: 'Recreate' })
  assert.deepEqual(listAt(container, 'volumeMounts')[1], { name: 'volume', mountPath: '/data' })
  assert.deepEqual(listAt(container, 'env')[0], { name: 'volume_path', value: '/data' })
  assert.deepEqual(listAt(pod, 'volumes')[1], { name: 'volume', persistentVolumeClaim: { claimName: 'echo-volume' } })
  const claim = claimOf(specOf('echo', spec))
  assert.deepEqual(objectAt(claim, 'spec'), { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } })
  assert.equal(objectAt(claim, 'metadata')['ownerReferences'], undefined)
  assert.equal(claimOf(specOf('echo')), undefined)
  assert.throws(() => checkReplicas(2, 'replicas', specOf('echo', spec)), { code: 'INVALID', message: /one replica writes/ })
})

test('profiles add to pods, the last one wins', () => {
  const profiles = [
    viewProfile({ spec: { tolerations: [{ key: 'gpu', operator: 'Exists' }], podSecurityContext: { runAsUser: 1000 }, runtimeClassName: 'gvisor', resources: { limits: { memory: '1Gi' } } } }),
    viewProfile({ spec: { priorityClassName: 'urgent', strategy: { type: 'Recreate' }, affinity: { nodeAffinity: {} }, unknown: 1 } }),
  ]
  const { all, pod, container } = made({}, { profiles })
  assert.equal(listAt(pod, 'tolerations').length, 3)
  assert.equal(objectAt(pod, 'securityContext')['runAsUser'], 1000)
  assert.equal(objectAt(pod, 'securityContext')['runAsNonRoot'], true)
  assert.deepEqual([pod['runtimeClassName'], pod['priorityClassName'], pod['unknown']], ['gvisor', 'urgent', undefined])
  assert.deepEqual(objectAt(container, 'resources', 'limits'), { memory: '1Gi' })
  assert.deepEqual(objectAt(all, 'spec', 'strategy'), { type: 'Recreate' })
})

test('the Service is there as long as the Deployment is', () => {
  const { service } = companionsOf(specOf('echo'), 'uid-1')
  assert.deepEqual(objectAt(service, 'spec'), {
    type: 'ClusterIP', selector: { faas_function: 'echo' }, ports: [{ name: 'http', port: 8080, targetPort: 8080, protocol: 'TCP' }],
  })
  assert.deepEqual(listAt(service, 'metadata', 'ownerReferences'), [{ apiVersion: 'apps/v1', kind: 'Deployment', name: 'echo', uid: 'uid-1' }])
})

cases('what cannot run is refused', [
  { name: 'a path of a probe that is none', more: { annotations: { 'com.openfaas.ready.http.path': 'ready' } }, words: /com\.openfaas\.ready\.http\.path/ },
  { name: 'a probe every no seconds', more: { annotations: { 'com.openfaas.health.http.periodSeconds': '0' } }, words: /periodSeconds/ },
  { name: 'a request above its limit', more: { limits: { memory: '16Mi' }, requests: { memory: '32Mi' } }, words: /requests\.memory 32Mi .* more than limits\.memory 16Mi/ },
  { name: 'a volume that is no folder', more: { annotations: { 'bramble/volume': 'data' } }, words: /bramble\/volume/ },
  { name: 'a volume over the secrets', more: { annotations: { 'bramble/volume': '/var/openfaas/secrets' } }, words: /bramble\/volume/ },
  { name: 'more writers than one', more: { annotations: { 'bramble/volume': '/data' }, labels: { 'com.openfaas.scale.min': '2' } }, words: /one replica writes/ },
  { name: 'somebody else\'s selector', more: { labels: { faas_function: 'other' } }, words: /faas_function/ },
  { name: 'more replicas than there can be', more: { labels: { 'com.openfaas.scale.min': '500', 'com.openfaas.scale.max': '500' } }, words: /0 to 200/ },
], ({ more, words }) => assert.throws(() => {
  checkSpec(specOf('echo', more))
  made(more)
}, { code: 'INVALID', message: words }))

test('a replica is told where to say that it serves, by what only it knows', () => {
  assert.deepEqual(listAt(made().container, 'env').filter((one) => /announce|pod/.test(textAt(one, 'name') ?? '')), [])
  assert.deepEqual(listAt(made({}, { gateway: { host: 'fd00::7', port: 8080 } }).container, 'env').slice(0, 2), [
    { name: 'pod_uid', valueFrom: { fieldRef: { fieldPath: 'metadata.uid' } } },
    { name: 'announce_url', value: 'http://[fd00::7]:8080/_/serving/$(pod_uid)' },
  ])
})
