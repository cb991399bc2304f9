/** The data path in processes of its own, on the real platform: each of them may be killed. */
import * as assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { get } from 'node:http'
import { join } from 'node:path'
import { buildFunctions } from '../bench/build-functions.ts'
import { childrenOf } from '../bench/measure.ts'
import { startPlatform, type Platform } from '../bench/platform.ts'
import { eventually, test } from '../kit.ts'
import { isRunning } from '../provider/world.ts'

const STACK = join(import.meta.dirname, '../fixtures/functions/stack.yml')
const LIMIT = { timeoutMs: 120_000 }
const PATIENCE_MS = 30_000
const PROCESSES = 3

async function start(): Promise<AsyncDisposable & { readonly platform: Platform; dataPaths(): number[] }> {
  await using cleaner = new AsyncDisposableStack()
  const built = cleaner.use(await buildFunctions(STACK, ['slow']))
  const platform = cleaner.use(await startPlatform({ functionsDir: built.folder, env: { gateway_processes: String(PROCESSES) } }))
  await platform.deploy({ service: 'slow' })
  await platform.ready('slow')
  const owned = cleaner.move()
  // The first one is the platform's child, the others are the first one's.
  const functions = new Set(platform.replicas('slow').map(({ pid }) => pid))
  const dataPaths = (): number[] => childrenOf(platform.pid).filter((pid) => !functions.has(pid)).flatMap((pid) => [pid, ...childrenOf(pid)])
  await eventually('all are there', () => dataPaths().length === PROCESSES && platform.output().split('data path connected').length > PROCESSES, PATIENCE_MS)
  return { platform, dataPaths, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

/** On a connection of its own, so that the kernel chooses the process anew. */
function call(platform: Platform): Promise<number> {
  return new Promise((resolve) => {
    get(`${platform.url}/function/slow?ms=0`, { agent: false }, (answer) => {
      answer.resume().on('end', () => resolve(answer.statusCode ?? 0)).on('error', () => resolve(0))
    }).on('error', () => resolve(0))
  })
}

test('a process of the data path that is killed is replaced, the others go on, and no number is lost', async () => {
  await using world = await start()
  const { platform, dataPaths } = world
  assert.deepEqual([...new Set(await Promise.all(Array.from({ length: 60 }, () => call(platform))))], [200])
  const counted = async (): Promise<number> => {
    const text = await (await fetch(`${platform.metricsUrl}/metrics`)).text()
    return Number(/invocation_total\{function_name="slow\.openfaas-fn",code="200"\} (\d+)/.exec(text)?.[1] ?? 0)
  }
  await eventually('all are counted', async () => await counted() === 60, PATIENCE_MS)

  const before = dataPaths()
  const victim = before.at(-1) ?? 0
  process.kill(victim, 'SIGKILL')
  // With all its threads: until then the kernel may give it connections.
  await eventually('it is gone', () => !existsSync(`/proc/${victim}`), PATIENCE_MS)
  for (let index = 0; index < 30; index++) assert.equal(await call(platform), 200)
  await eventually('another one is there', () => dataPaths().length === PROCESSES && !dataPaths().includes(victim), PATIENCE_MS)
  await eventually('nothing is lost', async () => await counted() === 90, PATIENCE_MS)
}, LIMIT)

test('the data path ends with a platform that is killed', async () => {
  await using world = await start()
  const pids = world.dataPaths()
  const functions = world.platform.replicas('slow')
  process.kill(world.platform.pid, 'SIGKILL')
  // What the next start of the platform would do.
  for (const { pid } of functions) process.kill(pid, 'SIGKILL')
  for (const pid of pids) await eventually(`${pid} is gone`, async () => !await isRunning(pid), PATIENCE_MS)
}, LIMIT)
