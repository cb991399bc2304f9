/** stack.openfaas.yml on this platform, without volumes as on OpenFaaS: it serves, and acknowledges nothing that would be lost. */
import * as assert from 'node:assert/strict'
import { join } from 'node:path'
import { buildFunctions } from '../bench/build-functions.ts'
import { ROOT, startPlatform, type Platform } from '../bench/platform.ts'
import { readDeployment } from '../../platform/stack/deployment.ts'
import { readStack } from '../../platform/stack/read-stack.ts'
import { eventually, test } from '../kit.ts'

const TOKEN = 'service-token-of-the-e2e-test-0123'

test('the variant for OpenFaaS serves here too; without a volume data and files refuse what they could not keep', async () => {
  const stack = await readStack({ cwd: ROOT, file: 'stack.openfaas.yml', variables: {} })
  const names = stack.functions.map(({ name }) => name)
  await using built = await buildFunctions(join(ROOT, 'stack.openfaas.yml'), names)
  await using platform = await startPlatform({ functionsDir: built.folder })
  for (const name of new Set(stack.functions.flatMap(({ secrets }) => secrets))) {
    await platform.request('POST', '/system/secrets', { name, value: name === 'gateway-login' ? 'admin:unknown' : TOKEN })
  }
  const deploymentOf = async (name: string): Promise<object> => {
    const one = stack.functions.find((found) => found.name === name)
    assert.ok(one)
    return readDeployment(stack, one, { templateHomes: [ROOT] })
  }
  for (const name of names) await platform.request('POST', '/system/functions', await deploymentOf(name))
  for (const name of names) await platform.ready(name)

  const made = await call(platform, 'data', 'PUT', '/v1/db/shop')
  assert.deepEqual([made.status, codeOf(await made.text())], [503, 'not_durable'])
  assert.equal((await call(platform, 'data', 'GET', '/v1/db')).status, 200, 'reads go on')

  // Files names its own lack too, once data keeps things.
  await platform.request('PUT', '/system/functions', { ...await deploymentOf('data'), annotations: { 'bramble/volume': '/data' }, envVars: { trust_folder: 'true' } })
  await eventually('files says that it has no volume', async () => {
    const stored = await call(platform, 'files', 'PUT', '/v1/files/kept.txt?owner=usr_1', 'kept?')
    assert.equal(stored.status, 503)
    return codeOf(await stored.text()) === 'not_durable'
  })

  assert.equal((await call(platform, 'cache', 'PUT', '/v1/pages/keys/home', 'hello')).status, 201)
  assert.equal(await (await call(platform, 'cache', 'GET', '/v1/pages/keys/home')).text(), 'hello')
  // Services ask for a token themselves.
  for (const [name, path] of [['data', '/v1/db'], ['cache', '/v1/stats'], ['files', '/v1/list?owner=usr_1'], ['scheduler', '/v1/jobs'], ['monitor', '/v1/logs']] as const) {
    await eventually(`${name} refuses who has none`, async () => (await fetch(`${platform.url}/function/${name}${path}`)).status === 401)
  }
})

async function call(platform: Platform, name: string, method: string, path: string, body?: string): Promise<Response> {
  return fetch(`${platform.url}/function/${name}${path}`, { method, headers: { authorization: `Bearer ${TOKEN}` }, ...(body !== undefined && { body }) })
}

function codeOf(text: string): string {
  const { code }: { code: string } = JSON.parse(text)
  return code
}
