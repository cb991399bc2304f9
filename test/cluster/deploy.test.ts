/** deploy.yml on a cluster, as its owner applies it: the platform comes up in its pod, and functions are served. */
import * as assert from 'node:assert/strict'
import { listAt, objectAt, textAt } from '../../platform/provider/kubernetes/json.ts'
import { eventually, test } from '../kit.ts'
import { startCluster } from './cluster.ts'
import { deployPlatform, rolledOut } from './platform-on-cluster.ts'
import { clean } from './provider-world.ts'
import { pushProbe } from './probe-image.ts'

test('one file on an empty cluster is all there is: password, functions, calls, and a platform that is replaced', async () => {
  await using cluster = await startCluster()
  await clean(cluster)
  const beganMs = Date.now()
  await using platform = await deployPlatform(cluster)
  console.log(`applied and ready after ${((Date.now() - beganMs) / 1000).toFixed(1)} s`)
  const { url, send } = platform
  assert.equal((await fetch(`${url}/system/functions`)).status, 401)
  const function1 = { service: 'probe', image: await pushProbe(cluster, 'probe') }
  const applied = await send('/system/functions', 'POST', function1)
  assert.equal(applied.status, 202, await applied.text())
  const answer = await send('/function/probe/version', 'GET')
  assert.deepEqual([answer.status, await answer.text()], [200, '1'])
  console.log(`first answer of a function after ${((Date.now() - beganMs) / 1000).toFixed(1)} s`)
  const memory = await cluster.kubectl('get', '--raw', '/api/v1/nodes/pi4/proxy/stats/summary')
  for (const pod of listAt(JSON.parse(memory), 'pods')) {
    if (textAt(pod, 'podRef', 'namespace') !== 'openfaas') continue
    for (const one of listAt(pod, 'containers')) console.log(textAt(one, 'name'), 'uses', JSON.stringify(objectAt(one, 'memory')))
  }

  // It keeps nothing of its own that matters: another pod finds everything in the API.
  await cluster.kubectl('-n', 'openfaas', 'delete', 'pod', '-l', 'app=gateway', '--wait=true', '--timeout=120s')
  await rolledOut(cluster)
  await eventually('the function answers through the new pod', async () => {
    const again = await send('/function/probe/version', 'GET').catch(() => undefined)
    return again !== undefined && await again.text() === '1'
  })
  const listed: unknown = await (await send('/system/functions', 'GET')).json()
  assert.deepEqual(listAt({ listed }, 'listed').map((one) => textAt(one, 'name')), ['probe'])
  assert.equal((await send('/system/functions', 'DELETE', { functionName: 'probe' })).status, 202)
}, { timeoutMs: 900_000 })
