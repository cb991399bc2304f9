import * as assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { cases } from '../kit.ts'

const root = join(import.meta.dirname, '../..')
const template = join(root, 'template/node-ts')
/** A first `npm ci` fills its cache from the registry. */
const BUILD_LIMIT_MS = 120_000
const MAX_HELLO_BYTES = 20_480

cases('the commands of the Dockerfile build, from the context that faas-cli makes,', [
  { name: 'hello', folder: 'functions/hello', path: '/?name=Ada', answer: 'Hello, Ada!\n', maxBytes: MAX_HELLO_BYTES },
  { name: 'the starter', folder: 'template/node-ts/function', path: '/', answer: '{"received":null}', maxBytes: MAX_HELLO_BYTES },
  { name: 'an Express app with its own lockfile', folder: 'test/fixtures/functions/express', path: '/hello/ada', answer: '{"hello":"ada"}', maxBytes: Infinity },
  { name: 'a function with a WebAssembly file', folder: 'test/fixtures/functions/sqlite', path: '/?word=ada', answer: '{"word":"ada","count":1}', maxBytes: Infinity },
], async ({ folder, path, answer, maxBytes }) => {
  const context = await mkdtemp(join(tmpdir(), 'bramble-context-'))
  try {
    await cp(template, context, { recursive: true })
    await cp(join(root, folder), join(context, 'function'), { recursive: true, filter: (source) => !source.includes('node_modules') })
    const dockerfile = await readFile(join(template, 'Dockerfile'), 'utf8')
    const commands = [...dockerfile.matchAll(/^RUN (.+)$/gm)].map(([, command]) => command ?? '')
    assert.equal(commands.length, 2)
    for (const command of commands) execFileSync('sh', ['-c', command], { cwd: context, timeout: BUILD_LIMIT_MS, stdio: 'pipe' })
    assert.ok((await stat(join(context, 'out/index.mjs'))).size <= maxBytes)

    const [program = '', ...args] = JSON.parse(/^CMD (.+)$/m.exec(dockerfile)?.[1] ?? '[]') as string[]
    const child = spawn(program, args, {
      cwd: join(context, 'out'), stdio: ['ignore', 'pipe', 'inherit'],
      env: { PATH: process.env['PATH'], host: '127.0.0.1', port: '0', metrics_port: '0', shutdown_grace: '10ms' },
    })
    try {
      const [line]: string[] = await once(createInterface(child.stdout), 'line')
      const { port }: { port?: number } = JSON.parse(line ?? '{}')
      assert.equal(await (await fetch(`http://127.0.0.1:${port}${path}`)).text(), answer)
    } finally {
      child.kill('SIGKILL')
    }
  } finally {
    await rm(context, { recursive: true, force: true })
  }
}, { timeoutMs: BUILD_LIMIT_MS })
