/** Functions that run by the clock, on the real platform. */
import * as assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { buildFunctions } from '../bench/build-functions.ts'
import { ROOT, startPlatform, type Platform } from '../bench/platform.ts'
import { eventually, test } from '../kit.ts'

const STACK = join(import.meta.dirname, '../fixtures/functions/stack.yml')
const LIMIT = { timeoutMs: 120_000 }
const PATIENCE_MS = 60_000

type Shown = { name: string; schedule: string; nextRun?: string; lastRun?: { due: string; outcome: string; status?: number } }

async function schedulesOf(platform: Platform): Promise<Shown[]> {
  return JSON.parse(await (await platform.request('GET', '/system/cron')).text())
}

test('a function is called by its schedule, woken for it, and what came of it is shown', async () => {
  await using built = await buildFunctions(STACK, ['slow', 'crash'])
  await using platform = await startPlatform({ functionsDir: built.folder })
  await platform.request('POST', '/system/functions', {
    service: 'slow', image: 'fixtures/slow:1', labels: { 'com.openfaas.scale.min': '0' },
    annotations: { topic: 'cron-function', schedule: '@every 1s; 0 0 1 1 *', 'bramble/timezone': 'Europe/Paris' },
  })
  const [yearly, often] = await eventually('it has run', async () => {
    const list = await schedulesOf(platform)
    return list.find(({ lastRun }) => lastRun?.outcome === 'ok') && list
  }, PATIENCE_MS)
  assert.equal(often?.schedule, '@every 1s')
  assert.deepEqual([often.lastRun?.status, yearly?.schedule, yearly?.lastRun], [200, '0 0 1 1 *', undefined])
  assert.match(yearly?.nextRun ?? '', /-12-31T23:00:00\.000Z$/)
  assert.equal(platform.replicas('slow').length, 1)

  const { stdout } = await promisify(execFile)(process.execPath, [join(ROOT, 'dist/bramble.mjs'), 'cron', 'list'], {
    env: { PATH: process.env['PATH'], OPENFAAS_URL: platform.url, data_dir: platform.dataDir },
  })
  assert.match(stdout, /^NAME +SCHEDULE +TIME ZONE +NEXT +LAST +OUTCOME\nslow +0 0 1 1 \* +Europe\/Paris +\d{4}-12-31 23:00:00Z +-/)
  assert.match(stdout, /slow +@every 1s +Europe\/Paris +\S+ \S+Z +\S+ \S+Z +(ok 200 in|running)/)
}, LIMIT)

test('a schedule that makes no sense is refused at deployment, with the place', async () => {
  await using built = await buildFunctions(STACK, ['slow'])
  await using platform = await startPlatform({ functionsDir: built.folder })
  await assert.rejects(platform.request('POST', '/system/functions', {
    service: 'slow', image: 'fixtures/slow:1', annotations: { topic: 'cron-function', schedule: '@hourly; */5 25 * * *' },
  }), /400 schedule "\*\/5 25 \* \* \*" at character 14: the hour "25" makes no sense/)
  assert.deepEqual(await schedulesOf(platform), [])
}, LIMIT)
