/** The exchanges of the stock CLI against the real gateway and the real local provider: functions are processes here. */
import * as assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLog } from '../../platform/lib/log.ts'
import { observe } from '../../platform/metrics/invocations.ts'
import { serviceName } from '../../platform/openfaas/names.ts'
import { parseDeployment } from '../../platform/openfaas/parse.ts'
import type { Provider } from '../../platform/provider/provider.ts'
import { bundleNameOf } from '../../platform/provider/local/bundles.ts'
import { createLocalProvider } from '../../platform/provider/local/provider.ts'
import { cases, eventually, test } from '../kit.ts'
import { callsOver, openEmbedded } from '../queue/world.ts'
import { createTestGateway, replay } from './replay.ts'
import { loadServerScenarios, type Given, type Scenario } from './scenario.ts'

const fixedLogs = 'lines of fixed times and instances cannot be written by a real process'
const fixedReplicas = 'asked-for replicas that are not ready cannot be held in that state'

/** What a real provider cannot be made to show; all of it is replayed over the seeded provider. */
const exceptions: Readonly<Record<string, string>> = {
  'list-json': fixedReplicas,
  'describe-minimal': fixedReplicas,
  'ready-function-not-yet': fixedReplicas,
  'logs-no-follow': fixedLogs,
  'logs-follow-until-end': fixedLogs,
  'logs-since-time': fixedLogs,
  'logs-lines': fixedLogs,
  'logs-lines-zero': fixedLogs,
  'logs-instance': fixedLogs,
  'logs-json': fixedLogs,
  'logs-keyvalue': fixedLogs,
  'logs-namespace': fixedLogs,
}

/** Compared by kind: when a real function was made and what it uses is not ours to say. */
const measured = new Set(['createdAt', 'usage'])
const ownNames = new Set(['release', 'sha', 'provider', 'orchestration', 'arch'])

const scenarios = loadServerScenarios()

cases('the gateway answers as recorded over real processes', scenarios.filter(({ name }) => !Object.hasOwn(exceptions, name)), async (scenario) => {
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
    await arrange(provider, scenario.given ?? {})
    for (const { deployment, invocationCount = 0 } of scenario.given?.functions ?? []) {
      const series = [...gateway.snapshot().functions].find(({ name }) => name === serviceName(parseDeployment(deployment)))
      for (let count = 0; count < invocationCount && series; count++) observe(series, 200, 0)
    }
    const loose = scenario.name.startsWith('version-') ? ownNames : measured
    assert.deepEqual(await replay(scenario, gateway.url(), { loose }), [])
  } finally {
    await gateway.stop()
    await provider.stop()
    await rm(folder, { recursive: true })
  }
})

test('every exception names a scenario that is there', () => {
  const names = new Set(scenarios.map(({ name }) => name))
  assert.deepEqual(Object.keys(exceptions).filter((name) => !names.has(name)), [])
})

/** Brings about what is given, and waits until it is there. */
async function arrange(provider: Provider, given: Given): Promise<void> {
  for (const namespace of given.namespaces ?? []) await provider.namespaces.create(namespace)
  for (const { name, namespace = 'openfaas-fn', value } of given.secrets ?? []) {
    await provider.secrets.create({ name, namespace, value: Buffer.from(value) })
  }
  for (const { deployment, replicas = 1 } of given.functions ?? []) {
    const spec = parseDeployment(deployment)
    await provider.apply(spec)
    await provider.scale(spec, replicas)
  }
  for (const { deployment, replicas = 1, usage } of given.functions ?? []) {
    const spec = parseDeployment(deployment)
    await eventually(`${spec.name} has ${replicas} replicas`, async () => {
      const status = await provider.get(spec, { withUsage: true })
      return status?.availableReplicas === replicas && (usage === undefined || status.usage !== undefined)
    })
  }
}

/** A bundle for each image the scenario speaks of: a server without dependencies that echoes, or answers as given. */
async function writeBundles(folder: string, { given, exchanges }: Scenario): Promise<void> {
  const images = new Map<string, string>()
  for (const { deployment } of given?.functions ?? []) images.set(deployment.image, deployment.service)
  for (const { request: { body } } of exchanges) {
    if (typeof body !== 'object' || body === null || !('image' in body) || !('service' in body)) continue
    if (body.image !== 'Bad Image') images.set(String(body.image), String(body.service))
  }
  for (const [image, service] of images) {
    const bundle = join(folder, bundleNameOf(image))
    await mkdir(bundle, { recursive: true })
    await writeFile(join(bundle, 'index.mjs'), `const upstream = ${JSON.stringify(given?.upstreams?.[service] ?? null)}\n${server}`)
    // Some deployments name the process "node index.js".
    await writeFile(join(bundle, 'index.js'), `import('./index.mjs')\n`)
  }
}

const server = `
import { createServer } from 'node:http'

createServer((req, res) => {
  const chunks = []
  req.on('data', (chunk) => chunks.push(chunk))
  req.on('end', () => {
    if (req.url.startsWith('/_/')) return res.end('OK')
    if (upstream !== null) return res.writeHead(upstream.status ?? 200, upstream.headers).end(upstream.body)
    res.writeHead(200, { 'content-type': 'text/plain' })
    res.end(Buffer.concat([Buffer.from(req.method + ' ' + req.url + '\\n'), ...chunks]))
  })
}).listen(Number(process.env.port), process.env.host)

process.on('SIGTERM', () => process.exit(0))
`
