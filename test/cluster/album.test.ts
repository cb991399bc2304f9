/** The example application as pods: what a person does with it, calm, and while each function's pod is killed in the middle. */
import * as assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { memoryOf } from '../bench/measure.ts'
import { albumSteps } from '../e2e/album-steps.ts'
import { eventually, test } from '../kit.ts'
import { killAlbum } from '../kill/album-kills.ts'
import { startCluster } from './cluster.ts'
import { deployPlatform } from './platform-on-cluster.ts'
import { clean } from './provider-world.ts'
import { deployServices, removeServices } from './services-on-cluster.ts'

/** With what a call of `/healthz` without a token is answered; the last two have no such page. */
const ANSWERS = { data: 200, cache: 200, auth: 200, files: 200, scheduler: 200, monitor: 200, album: 404, thumbnail: 401 }
const SERVICES = Object.keys(ANSWERS)
const PATIENCE_MS = 300_000

test('a person signs up, adds photos, gets thumbnails and a list, deletes one, also while pods are killed', async () => {
  await promisify(execFile)(process.execPath, ['build.mjs', '-f', 'stack.album.yml'], { cwd: join(import.meta.dirname, '../..') })
  await using cluster = await startCluster()
  await clean(cluster)
  await using platform = await deployPlatform(cluster)
  const services = await deployServices(cluster, platform, { services: SERVICES, isUnawaited: true })
  try {
    const world = {
      url: platform.url, serviceToken: services.serviceToken, isCalm: true, services: SERVICES,
      logsOf: async (name: string) => (await platform.send(`/system/logs?name=${name}&tail=1000`, 'GET')).text(),
      async pidOf(name: string) {
        await services.skipBackOff(name)
        return (await services.pods(name)).length === 0 ? undefined : services.pidOf(name)
      },
    }
    await eventually('all of them answer', async () => {
      const statuses = await Promise.all(SERVICES.map(async (name) => {
        const answer = await fetch(`${platform.url}/function/${name}/healthz`).catch(() => undefined)
        await answer?.body?.cancel()
        return answer?.status
      }))
      return statuses.join() === Object.values(ANSWERS).join()
    }, PATIENCE_MS)
    for (const { name, run } of albumSteps(world)) {
      const startedMs = performance.now()
      await run()
      console.log(`a person ${name}: ${((performance.now() - startedMs) / 1000).toFixed(1)} s`)
    }
    const held = await Promise.all(['album', 'thumbnail'].map(async (name) => `${name} ${(memoryOf(await services.pidOf(name)).anonBytes / 1e6).toFixed(1)} MB`))
    console.log(`private memory: ${held.join(', ')}`)
    const { overlaps, kills } = await killAlbum({ ...world, isCalm: false }, { rounds: 1, print: (line) => { console.log(line) } })
    assert.equal(overlaps, 0)
    // One for each step; a pod that was just killed itself may not run yet.
    assert.ok(kills >= SERVICES.length, `${kills} kills`)
  } finally {
    await removeServices(cluster, platform)
  }
}, { timeoutMs: 1_200_000 })
