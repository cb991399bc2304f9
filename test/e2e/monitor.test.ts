/** The monitor of the stack on the real platform: it reads what functions write, and goes on where it was. */
import * as assert from 'node:assert/strict'
import { join } from 'node:path'
import { bundleFunction } from '../start-function.ts'
import { startPlatform, type Platform } from '../bench/platform.ts'
import { eventually, test } from '../kit.ts'
import { readFile, mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'

const TOKEN = 'service-token-of-the-e2e-test-0123'
const LIMIT = { timeoutMs: 180_000 }

type SeenLine = { readonly function: string; readonly text: string; readonly call_id?: string }

async function ask(platform: Platform, path: string): Promise<Record<string, unknown> | undefined> {
  const answer = await fetch(`${platform.url}/function/monitor${path}`, { headers: { authorization: `Bearer ${TOKEN}` } })
  return answer.ok ? JSON.parse(await answer.text()) : undefined
}

test('a call is followed by its id through the logs of a function, over kills of function and monitor', async () => {
  const functionsDir = await mkdtemp(join(tmpdir(), 'bramble-e2e-monitor-'))
  for (const name of ['monitor', 'values']) await rename(await bundleFunction(name), join(functionsDir, name))
  try {
    await using platform = await startPlatform({ functionsDir, env: { ready_timeout: '30s' } })
    const password = (await readFile(join(platform.dataDir, 'basic-auth-password'), 'utf8')).trim()
    await platform.request('POST', '/system/secrets', { name: 'service-token', value: TOKEN })
    await platform.request('POST', '/system/secrets', { name: 'gateway-login', value: `admin:${password}` })
    await platform.request('POST', '/system/functions', {
      service: 'monitor', image: 'bramble/monitor:0.1.0', secrets: ['service-token', 'gateway-login'],
      labels: { 'com.openfaas.scale.max': '1' }, annotations: { 'bramble/volume': '/data' }, envVars: { scrape_every: '1s' },
    })
    await platform.deploy({ service: 'values' })
    await platform.ready('monitor')
    await platform.ready('values')

    const told: string[] = []
    const call = async (): Promise<void> => {
      const id = `call-of-the-test-${told.length}`
      told.push(id)
      await fetch(`${platform.url}/function/values/log`, { headers: { 'x-call-id': id } })
    }
    const seen = async (): Promise<readonly SeenLine[]> => {
      const answer = await ask(platform, '/v1/logs?function=values&order=asc&limit=1000')
      const items: unknown = answer?.['items']
      return Array.isArray(items) ? items : []
    }
    const allSeen = (): Promise<true> => eventually('every call has left its line', async () => {
      const ids = new Set((await seen()).map(({ call_id }) => call_id))
      return told.every((id) => ids.has(id))
    })
    await call()
    await allSeen()
    const one = await ask(platform, `/v1/calls/${told[0]}`)
    assert.deepEqual(one?.['functions'], ['values'])

    const ready = async (query: string): Promise<boolean> => {
      const answer = await ask(platform, `/api/v1/query?query=${encodeURIComponent(query)}`)
      return JSON.stringify(answer?.['data'] ?? '').includes('"value"')
    }
    await eventually('the metrics of a replica are there', () => ready('http_requests_total{function_name="values.openfaas-fn",code="200"} >= 1'))
    await eventually('those of the gateway too', () => ready('gateway_function_invocation_total{function_name="values.openfaas-fn"}'))

    for (const { pid } of platform.replicas('monitor')) process.kill(pid, 'SIGKILL')
    for (let i = 0; i < 5; i++) await call()
    await allSeen()
    for (const { pid } of platform.replicas('values')) process.kill(pid, 'SIGKILL')
    await eventually('it runs again', async () => (await fetch(`${platform.url}/function/values/text`)).ok)
    await call()
    await allSeen()
    const texts = (await seen()).map(({ text }) => text)
    const messages = texts.filter((text) => text.includes('call-of-the-test-'))
    assert.deepEqual(messages, [...new Set(messages)], 'no line is there twice')
  } finally {
    await rm(functionsDir, { recursive: true, force: true })
  }
}, LIMIT)
