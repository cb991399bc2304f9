/**
 * The exchanges of the stock CLI against the real gateway and the real Kubernetes provider: functions are pods here.
 * Under their recorded names the images are in the cluster's registry, which stands in for the registries of the names.
 */
import * as assert from 'node:assert/strict'
import { arrange } from '../contract/arrange.ts'
import { echoFunction, imagesOf } from '../contract/echo-function.ts'
import { loadRealScenarios, replayReal } from '../contract/real-functions.ts'
import { createTestGateway } from '../contract/replay.ts'
import type { Scenario } from '../contract/scenario.ts'
import { test } from '../kit.ts'
import { callsOver, openEmbedded } from '../queue/world.ts'
import type { Cluster } from './cluster.ts'
import { pushProgram } from './probe-image.ts'
import { openProviderWorld } from './provider-world.ts'

const LIMIT_MS = 15 * 60_000
const READY_MS = 180_000
/** Of a scenario that could not be arranged, so many lines of what happened last. */
const LAST_EVENTS = 15
/** The constraint of some recorded deployments. */
const ZERO_LABEL = 'node.kubernetes.io/instance-type=zero2'

const scenarios = inOrder(loadRealScenarios())

test('the gateway answers as recorded over pods', async () => {
  const images = imagesOf(scenarios)
  await using world = await openProviderWorld({ mirrored: [...new Set(images.map((image) => image.replace(/\/.*/, '')))] })
  const { cluster, provider } = world
  await prepare(cluster, images)
  await using queued = await openEmbedded()
  const complaints: Record<string, string[]> = {}
  for (const scenario of scenarios) {
    const gateway = createTestGateway(provider, scenario.auth, {}, undefined, { asyncCalls: callsOver(queued.queue) })
    try {
      await arrange(provider, scenario.given, READY_MS)
      await gateway.start()
      const found = await replayReal(scenario, gateway)
      if (found.length > 0) complaints[scenario.name] = found
    } catch (error) {
      complaints[scenario.name] = [String(error), ...await stateOf(cluster)]
    } finally {
      await gateway.stop()
    }
  }
  assert.deepEqual(complaints, {})
}, { timeoutMs: LIMIT_MS })

async function prepare(cluster: Cluster, images: readonly string[]): Promise<void> {
  for (const node of cluster.nodes.filter((name) => name !== 'pi4')) await cluster.kubectl('label', 'node', node, ZERO_LABEL, '--overwrite')
  for (const image of images) {
    await pushProgram(cluster, image.replace(/^[^/]+\//, ''), {
      files: new Map([['home/function/index.mjs', Buffer.from(echoFunction)]]),
      command: ['/usr/bin/node', '/home/function/index.mjs'], env: ['port=8080'],
    })
  }
}

/** Where the pods are and what became of them, for a scenario that fails. */
async function stateOf(cluster: Cluster): Promise<readonly string[]> {
  const ask = (...args: readonly string[]): Promise<string> => cluster.kubectl(...args).catch(String)
  const events = await ask('get', 'events', '-A', '--sort-by=.lastTimestamp', '--no-headers')
  return [...(await ask('get', 'nodes,pods', '-A', '-o', 'wide')).split('\n'), ...events.trim().split('\n').slice(-LAST_EVENTS)]
}

/** Those that begin alike follow each other, and those that only ask come first: pods and namespaces are made seldom. */
function inOrder(all: readonly Scenario[]): readonly Scenario[] {
  const keyOf = ({ given, exchanges }: Scenario): string => JSON.stringify([
    (given?.namespaces ?? []).map(({ name }) => name), given?.functions ?? [], given?.upstreams ?? {},
    exchanges.some(({ request: { method, path } }) => method !== 'GET' && path.startsWith('/system/')) ? 0 : 1,
  ])
  // Backwards: a namespace is removed when it is needed no more, since its pods end before it can come back.
  return all.toSorted((a, b) => (keyOf(a) === keyOf(b) ? 0 : keyOf(a) < keyOf(b) ? 1 : -1))
}
