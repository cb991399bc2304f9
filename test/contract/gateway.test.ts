/** All exchanges of the stock CLI against the real gateway, over a provider with the recorded state. */
import * as assert from 'node:assert/strict'
import { observe } from '../../platform/metrics/invocations.ts'
import { cases, test } from '../kit.ts'
import { callsOver, openEmbedded } from '../queue/world.ts'
import { createTestGateway, replay } from './replay.ts'
import { loadServerScenarios, type Scenario } from './scenario.ts'
import { createSeededProvider, type SeededProvider } from './seeded-provider.ts'

/** Fields of `/system/info` that are this gateway's own: only their kind is compared. */
const ownNames = new Set(['release', 'sha', 'provider', 'orchestration', 'arch'])

const scenarios = loadServerScenarios()
const LATE_AFTER_LINES = 3

cases('the gateway answers as recorded', scenarios, async (scenario) => {
  await withGateway(scenario, async (url, provider) => {
    const complaints = await replay(scenario, url, {
      received: provider.received,
      loose: scenario.name.startsWith('version-') ? ownNames : new Set(),
      // The late lines come when the stored ones have arrived: a gateway that holds lines back gets none.
      onData: (text) => { if (text.split('\n').length > LATE_AFTER_LINES) provider.releaseLateLogs() },
    })
    assert.deepEqual(complaints, [])
  })
})

test('where there is no queue, an async call is told so', async () => {
  await withGateway(named('list-json'), async (url) => {
    const answer = await fetch(`${url}/async-function/hello`, { method: 'POST', body: 'job' })
    assert.equal(answer.status, 404)
    assert.match(await answer.text(), /async/)
  })
})

const values = [
  { name: 'a text', scenario: 'secret-create-literal' },
  { name: 'the bytes of a file', scenario: 'secret-create-file' },
  { name: 'bytes that are no text', scenario: 'secret-create-binary' },
  { name: 'a new value', scenario: 'secret-update' },
]

cases('a secret that the CLI sent is kept byte for byte', values, async ({ scenario: name }) => {
  const scenario = named(name)
  const { request } = scenario.exchanges.at(-1) ?? assert.fail()
  const body: unknown = request.body
  assert.ok(typeof body === 'object' && body !== null && 'name' in body)
  const wanted = 'rawValue' in body ? Buffer.from(String(body.rawValue), 'base64') : Buffer.from('value' in body ? String(body.value) : '')
  await withGateway(scenario, async (url, provider) => {
    assert.deepEqual(await replay(scenario, url), [])
    assert.equal(provider.secretValue(String(body.name)), wanted.toString())
  })
})

function named(name: string): Scenario {
  return scenarios.find((scenario) => scenario.name === name) ?? assert.fail(`no scenario ${name}`)
}

async function withGateway(scenario: Scenario, use: (url: string, provider: SeededProvider) => Promise<void>): Promise<void> {
  const provider = createSeededProvider(scenario.given)
  const isAsync = scenario.exchanges.some(({ request }) => request.path.startsWith('/async-function/'))
  await using world = isAsync ? await openEmbedded() : undefined
  const gateway = createTestGateway(provider, scenario.auth, {}, undefined, world ? { asyncCalls: callsOver(world.queue) } : {})
  await provider.start()
  await gateway.start()
  try {
    // The count of calls is the gateway's own: as if so many had ended.
    for (const { deployment, invocationCount = 0 } of scenario.given?.functions ?? []) {
      const service = `${deployment.service}.${deployment.namespace ?? 'openfaas-fn'}`
      const series = [...gateway.snapshot().functions].find((one) => one.name === service)
      for (let count = 0; count < invocationCount && series; count++) observe(series, 200, 0)
    }
    await use(gateway.url(), provider)
  } finally {
    await gateway.stop()
    await provider.stop()
  }
}
