/** The exchanges of the stock CLI against the real gateway and the real local provider: functions are processes here. */
import * as assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLog } from '../../platform/lib/log.ts'
import { bundleNameOf } from '../../platform/provider/local/bundles.ts'
import { createLocalProvider } from '../../platform/provider/local/provider.ts'
import { cases, test } from '../kit.ts'
import { callsOver, openEmbedded } from '../queue/world.ts'
import { arrange } from './arrange.ts'
import { echoFunction, imagesOf } from './echo-function.ts'
import { exceptions, loadRealScenarios, replayReal } from './real-functions.ts'
import { createTestGateway } from './replay.ts'
import { loadServerScenarios, type Scenario } from './scenario.ts'

cases('the gateway answers as recorded over real processes', loadRealScenarios(), async (scenario) => {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-contract-'))
  await writeBundles(join(folder, 'functions'), scenario)
  const provider = createLocalProvider({
    dataDir: join(folder, 'data'), functionsDir: join(folder, 'functions'), gatewayUrl: () => gateway.url(),
    log: createLog({ level: 'error', write: (line) => process.stderr.write(line) }),
  })
  await using world = await openEmbedded()
  const gateway = createTestGateway(provider, scenario.auth, {}, undefined, { asyncCalls: callsOver(world.queue) })
  try {
    await provider.start()
    await gateway.start()
    await arrange(provider, scenario.given)
    assert.deepEqual(await replayReal(scenario, gateway), [])
  } finally {
    await gateway.stop()
    await provider.stop()
    await rm(folder, { recursive: true })
  }
})

test('every exception names a scenario that is there', () => {
  const names = new Set(loadServerScenarios().map(({ name }) => name))
  assert.deepEqual(Object.keys(exceptions).filter((name) => !names.has(name)), [])
})

async function writeBundles(folder: string, scenario: Scenario): Promise<void> {
  for (const image of imagesOf([scenario])) {
    const bundle = join(folder, bundleNameOf(image))
    await mkdir(bundle, { recursive: true })
    await writeFile(join(bundle, 'index.mjs'), echoFunction)
    // Some deployments name the process "node index.js".
    await writeFile(join(bundle, 'index.js'), `import('./index.mjs')\n`)
  }
}
