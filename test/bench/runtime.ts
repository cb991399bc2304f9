/**
 * `node test/bench/runtime.ts [--quick]`: what the function runtime costs next to a bare `node:http` handler: CPU time of a call,
 * private memory idle and after load, size of the bundle, time to the first answer.
 */
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bundleFunction, spawnFunction } from '../start-function.ts'
import { eventually } from '../kit.ts'
import { compare, type Path, showResults } from './compare.ts'
import { memoryOf } from './measure.ts'
import { startServer } from './server.ts'
import { megabytes, showTable } from './statistics.ts'

const isQuick = process.argv.includes('--quick')
const ROUNDS = isQuick ? 3 : 7
const SECONDS = isQuick ? 1 : 2
const CONNECTIONS = 50
/** What a gateway adds to a call. */
const headers = [
  'X-Call-Id: 1f0c8f1e-6d2f-4a9f-8a47-6b8a30a3c2f1', 'X-Start-Time: 1769260000000000000',
  'X-Forwarded-For: 192.168.1.20:40312', 'X-Forwarded-Host: pi.local:8080',
]
const answer = '{"message":"hello you"'

const handlers: Readonly<Record<string, string>> = {
  '(event, context)': `export default (event, context) => ${JSON.stringify(answer)}`,
  'async (event, context)': `export default async (event, context) => { await null; return ${JSON.stringify(answer)} }`,
  'context.succeed(object)': `export default (event, context) => context.status(200).headers({ a: 'b' }).succeed({ path: event.path })`,
  '{ listener }': `export default { listener(req, res) { res.writeHead(200, { 'content-type': 'text/plain' }).end(${JSON.stringify(answer)}) } }`,
  '{ fetch }': `export default { fetch: () => new Response(${JSON.stringify(answer)}) }`,
}
const BARE = 'bare node:http'

type Started = { readonly name: string; readonly url: string; readonly pid: number; readonly bytes: number; readonly startMs: number }

const scratch = await mkdtemp(join(tmpdir(), 'bramble-bench-'))
await using cleaner = new AsyncDisposableStack()
cleaner.defer(() => rm(scratch, { recursive: true, force: true }))

const bare = cleaner.use(await startServer('bare.ts', [], { nodeArgs: ['--max-semi-space-size=1', '--no-concurrent-recompilation'] }))
const started: Started[] = []
for (const [index, [name, source]] of Object.entries(handlers).entries()) {
  const file = join(scratch, `handler-${index}.ts`)
  await writeFile(file, source)
  started.push(await start(name, file))
}
const hello = await start('functions/hello', 'hello')
const idle = new Map([...started, hello].map(({ name, pid }) => [name, memoryOf(pid).anonBytes]))

const paths: Path[] = [{ name: BARE, url: bare.url, functionPid: bare.pid },
  ...started.map(({ name, url, pid }) => ({ name, url, functionPid: pid }))]
const results = await compare(paths, { load: { connections: CONNECTIONS, seconds: SECONDS, headers }, rounds: ROUNDS })
console.log(showResults(`CPU of a call, 22-byte answer, ${CONNECTIONS} connections`, results, {
  floor: BARE, goals: { '(event, context)': '<= 1.3 x' },
}))
console.log(showTable('Memory and size', ['handler', 'bundle KB', 'first answer ms', 'idle MB', 'after load MB'],
  [...started, hello].map(({ name, pid, bytes, startMs }) => [
    name, (bytes / 1000).toFixed(1), startMs.toFixed(0), megabytes(idle.get(name) ?? NaN),
    name === hello.name ? '-' : megabytes(memoryOf(pid).anonBytes),
  ])))

async function start(name: string, handler: string): Promise<Started> {
  const folder = await bundleFunction(handler)
  cleaner.defer(() => rm(folder, { recursive: true, force: true }))
  const spawnedAtMs = performance.now()
  const { child, exit, logs } = spawnFunction(folder)
  cleaner.defer(async () => {
    child.kill('SIGKILL')
    await exit
  })
  const ready = await eventually(`${name} is ready`, () => logs().find(({ message }) => message === 'ready'))
  const url = `http://127.0.0.1:${Number(ready['port'])}`
  const startMs = performance.now() - spawnedAtMs
  return { name, url, pid: child.pid ?? 0, bytes: (await stat(join(folder, 'index.mjs'))).size, startMs }
}
