import * as assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdir, stat, symlink } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { cases, eventually, test } from '../kit.ts'
import { BUILD, createProject, type Files, run, stackOf } from './project.ts'

const hello: Files = { 'hello/handler.ts': 'export default (): string => "hi"\n' }

test('a function becomes one minified file with its map, and nothing else', async () => {
  await using project = await createProject({ 'stack.yml': stackOf('hello'), ...hello })
  const { code, stderr } = await project.build('-f', 'stack.yml')
  assert.deepEqual([code, stderr], [0, ''])
  assert.deepEqual((await readdir(join(project.folder, 'dist/functions'))).sort(), ['hello'])
  assert.deepEqual((await readdir(join(project.folder, 'dist/functions/hello'))).sort(), ['index.mjs', 'index.mjs.map'])
  const bundle = await project.read('dist/functions/hello/index.mjs')
  assert.equal(bundle.includes('createRequire'), false)
  const map: unknown = JSON.parse(await project.read('dist/functions/hello/index.mjs.map'))
  assert.ok(typeof map === 'object' && map !== null && 'sources' in map && Array.isArray(map.sources))
  assert.ok(map.sources.includes('hello/handler.ts'), String(map.sources))
  assert.equal('sourcesContent' in map, false)
})

test('an error points at the line of the TypeScript source', async () => {
  await using project = await createProject({
    'stack.yml': stackOf('hello'),
    'hello/handler.ts': 'type Text = string\nexport default (): Text => {\n  throw new Error("planted")\n}\n',
  })
  await project.build('-f', 'stack.yml')
  await using fn = await serve(project.folder, 'hello')
  assert.equal((await call(fn.port)).status, 500)
  const line = await eventually('the error is logged', () => fn.lines.find((one) => one.includes('planted')))
  assert.match(line, /hello\/handler\.ts:3:9/)
})

test('an Express function works in its bundle', async () => {
  await using project = await createProject({
    'stack.yml': stackOf('shop'),
    'shop/handler.ts': `import express from 'express'
const app = express()
app.get('/items/:id', (req, res) => { res.json({ id: req.params.id, file: typeof __filename }) })
export default { listener: app }
`,
  }, { linkPackages: 'shop' })
  const built = await project.build('-f', 'stack.yml')
  assert.deepEqual([built.code, built.stderr], [0, ''])
  await using fn = await serve(project.folder, 'shop')
  const reply = await call(fn.port, '/items/7')
  assert.deepEqual(JSON.parse(reply.body), { id: '7', file: 'string' })
})

test('an imported .wasm file lies beside the bundle under its own name, and goes when it is imported no more', async () => {
  const handler = "import path from './lib/empty.wasm'\nexport default (): string => path\n"
  await using project = await createProject({ 'stack.yml': stackOf('wasm'), 'wasm/handler.ts': handler, 'wasm/lib/empty.wasm': '\0asm\x01\0\0\0' })
  const first = await project.build('-f', 'stack.yml')
  assert.deepEqual([first.code, first.stderr], [0, ''])
  assert.equal(await project.read('dist/functions/wasm/empty.wasm'), '\0asm\x01\0\0\0')
  {
    await using fn = await serve(project.folder, 'wasm')
    assert.equal((await call(fn.port)).body, './empty.wasm')
  }
  assert.match((await project.build('-f', 'stack.yml', '--json')).stdout, /"isChanged":false/)
  await project.write({ 'wasm/lib/empty.wasm': '\0asm\x01\0\0\0\0\x01\0' })
  assert.match((await project.build('-f', 'stack.yml', '--json')).stdout, /"isChanged":true/)
  await project.write({ 'wasm/handler.ts': 'export default (): string => "none"\n' })
  await project.build('-f', 'stack.yml')
  assert.deepEqual((await readdir(join(project.folder, 'dist/functions/wasm'))).sort(), ['index.mjs', 'index.mjs.map'])
})

test('an unchanged build leaves the files untouched', async () => {
  await using project = await createProject({ 'stack.yml': stackOf('hello'), ...hello })
  await project.build('-f', 'stack.yml')
  const before = await stat(join(project.folder, 'dist/functions/hello/index.mjs'))
  const { stdout } = await project.build('-f', 'stack.yml')
  assert.match(stdout, /hello .*unchanged/)
  const after = await stat(join(project.folder, 'dist/functions/hello/index.mjs'))
  assert.deepEqual([after.mtimeMs, after.ino], [before.mtimeMs, before.ino])
})

test('a reader sees the old bundle or the new one, never a part', async () => {
  const big = (letter: string): Files => ({ 'hello/handler.ts': `export default (): string => "${letter.repeat(2_000_000)}"\n` })
  await using project = await createProject({ 'stack.yml': stackOf('hello'), ...big('a') })
  await project.build('-f', 'stack.yml')
  await project.write(big('b'))
  let isDone = false
  const building = project.build('-f', 'stack.yml').finally(() => { isDone = true })
  const lengths = new Set<number>()
  while (!isDone) lengths.add((await project.read('dist/functions/hello/index.mjs')).length)
  assert.equal((await building).code, 0)
  assert.equal(lengths.size, 1, [...lengths].join(' '))
})

test('what a killed build left goes, what another one works on stays', async () => {
  await using project = await createProject({ 'stack.yml': stackOf('hello'), ...hello })
  const { pid: ended } = spawnSync(process.execPath, ['--version'])
  await project.write({ [`dist/functions/.tmp-${ended}/0`]: 'left', [`dist/functions/.tmp-${process.pid}/0`]: 'at work' })
  await project.build('-f', 'stack.yml')
  assert.deepEqual((await readdir(join(project.folder, 'dist/functions'))).sort(), [`.tmp-${process.pid}`, 'hello'])
})

test('only named functions are built, and the folders of others stay', async () => {
  await using project = await createProject({ 'stack.yml': stackOf('hello', 'two'), ...hello, 'two/handler.ts': 'export default () => 2\n' })
  await project.build('-f', 'stack.yml', 'two')
  assert.deepEqual(await readdir(join(project.folder, 'dist/functions')), ['two'])
  await project.build('-f', 'stack.yml', '--filter', 'he*')
  assert.deepEqual((await readdir(join(project.folder, 'dist/functions'))).sort(), ['hello', 'two'])
})

test('the bundle lies where the image name says', async () => {
  await using project = await createProject({
    'stack.yml': stackOf('hello').replace('test/hello:1', 'registry.local:5000/team/greeter:2'), ...hello,
  })
  await project.build('-f', 'stack.yml', '--out', 'elsewhere')
  assert.deepEqual(await readdir(join(project.folder, 'elsewhere')), ['greeter'])
})

test('functions that share an image share its build', async () => {
  const stack = stackOf('one', 'two').replace('test/two:1', 'test/one:1').replace('./two', './one')
  await using project = await createProject({ 'stack.yml': stack, 'one/handler.ts': 'export default () => 1\n' })
  const { code, stdout } = await project.build('-f', 'stack.yml', '--json')
  const built = stdout.trim().split('\n').map((line) => JSON.parse(line)).filter(({ event }) => event === 'function')
  assert.deepEqual([code, built.map((event) => [event.function, event.isChanged])], [0, [['one', true], ['two', true]]])
})

test('a handler may be passed on from another file', async () => {
  await using project = await createProject({
    'stack.yml': stackOf('hello'), 'hello/handler.ts': '/* export { default } from "./gone.ts" */\nexport { answer as default } from "./answer.ts"\n',
    'hello/answer.ts': 'export const answer = () => "passed on"\n',
  })
  const { code, stderr } = await project.build('-f', 'stack.yml')
  assert.deepEqual([code, stderr], [0, ''])
})

test('a handler folder may be a link', async () => {
  await using project = await createProject({ 'stack.yml': stackOf('hello'), 'real/handler.ts': 'export default () => 1\n' })
  await symlink('real', join(project.folder, 'hello'))
  const { code, stderr } = await project.build('-f', 'stack.yml')
  assert.deepEqual([code, stderr], [0, ''])
})

test('functions without sources are passed over', async () => {
  await using project = await createProject({
    'stack.yml': 'provider: {name: openfaas}\nfunctions:\n  a: {image: x/a}\n  b: {image: x/b, lang: node-ts, handler: ./b, skip_build: true}\n',
  })
  const { code, stdout } = await project.build('-f', 'stack.yml', '--json')
  const events: unknown[] = stdout.trim().split('\n').map((line) => JSON.parse(line))
  assert.equal(code, 0)
  assert.deepEqual(events.slice(0, 2), [{ event: 'skipped', function: 'a' }, { event: 'skipped', function: 'b' }])
})

const one = stackOf('f')
cases('what is wrong is said in one line, and the exit code is 1', [
  { name: 'no stack file', files: {}, says: /^there is no stack\.yaml or stack\.yml in \S+: go to the folder that has one, or name it with -f FILE$/ },
  { name: 'bad YAML', files: { 'stack.yml': 'functions:\n\tf:\n' }, says: /^stack\.yml:2:1: a tab cannot indent YAML: use spaces$/ },
  { name: 'an unknown name', files: { 'stack.yml': one }, args: ['g'], says: /^there is no function "g" in the stack file; it has: f$/ },
  { name: 'an unknown option', files: { 'stack.yml': one }, args: ['--wathc'], says: /^Unknown option '--wathc'/ },
  { name: 'no folder', files: { 'stack.yml': one }, says: /^stack\.yml:7:14: there is no folder f for function f: create it, or correct "handler"$/ },
  { name: 'no handler file', files: { 'stack.yml': one, 'f/other.ts': '' }, says: /^stack\.yml:7:14: \.\/f has no handler\.ts: create it with "export default …", or correct the handler of function f$/ },
  { name: 'no language', files: { 'stack.yml': one.replace(/ +lang.*\n/, ''), 'f/handler.ts': '' }, says: /^stack\.yml:6:14: function f has a handler but no language: add "lang: node-ts"$/ },
  { name: 'nothing exported', files: { 'stack.yml': one, 'f/handler.ts': 'const handler = () => 1\n' }, says: /^f\/handler\.ts:1:1: the handler of function f is not exported: write "export default" before it$/ },
  { name: 'another export', files: { 'stack.yml': one, 'f/handler.ts': 'export const handler = () => 1\n' }, says: /^f\/handler\.ts:1:1: the handler of function f is not exported/ },
  { name: 'a type exported as the handler', files: { 'stack.yml': one, 'f/handler.ts': 'type Handler = () => 1\nexport default Handler\n' }, says: /^f\/handler\.ts:1:1: the handler of function f is not exported/ },
  { name: 'a type exported as a value', files: { 'stack.yml': one, 'f/handler.ts': 'import { T } from "./t.js"\nexport default () => T\n', 'f/t.js': 'export const U = 1\n' }, says: /^f\/handler\.ts:1:10: f\/t\.js exports no "T": if it is a type, write "import type \{ T \}"$/ },
  { name: 'a handler passed on from a file that has none', files: { 'stack.yml': one, 'f/handler.ts': '// why\nexport { default } from "./t.ts"\n', 'f/t.ts': 'export const x = 1\n' }, says: /^f\/handler\.ts:2:1: f\/t\.ts exports no "default" that could be the handler of function f: a type is none$/ },
  { name: 'a type passed on as the handler', files: { 'stack.yml': one, 'f/handler.ts': 'export { Handler as default } from "./t.ts"\n', 'f/t.ts': 'export type Handler = () => 1\n' }, says: /^f\/handler\.ts:1:1: f\/t\.ts exports no "Handler" that could be the handler of function f/ },
  { name: 'a package that is not there', files: { 'stack.yml': one, 'f/handler.ts': '\nimport x from "left-pad-nowhere/sub"\nexport default () => x\n' }, says: /^f\/handler\.ts:2:15: package left-pad-nowhere is not installed: run "npm install left-pad-nowhere" in f$/ },
  { name: 'a scoped package that is not there', files: { 'stack.yml': one, 'f/handler.ts': 'import x from "@a/b/c"\nexport default () => x\n' }, says: /^f\/handler\.ts:1:15: package @a\/b is not installed/ },
  { name: 'a file that is not there', files: { 'stack.yml': one, 'f/handler.ts': 'import x from "./x"\nexport default () => x\n' }, says: /^f\/handler\.ts:1:15: there is no file \.\/x: correct the path/ },
  { name: 'a syntax error', files: { 'stack.yml': one, 'f/handler.ts': 'export default () => {\n  return (\n}\n' }, says: /^f\/handler\.ts:3:1: unexpected "\}"$/ },
  { name: 'a native add-on', files: { 'stack.yml': one, 'f/handler.ts': 'import x from "./x.node"\nexport default () => x\n', 'f/x.node': '' }, says: /^f\/handler\.ts:1:15: a native add-on cannot be bundled/ },
  { name: 'two images of one name', files: { 'stack.yml': stackOf('f', 'g').replace('test/g', 'other/f'), 'f/handler.ts': '', 'g/handler.ts': '' }, says: /^stack\.yml:11:14: the images of functions f and g are both called "f"/ },
  { name: 'a template that is not there', files: { 'stack.yml': one.replace('node-ts', 'cobol'), 'f/a.cob': '' }, says: /^function f has lang "cobol", but there is no template\/cobol\/template\.yml: / },
], async ({ files, says, ...rest }) => {
  await using project = await createProject(files)
  const { code, stderr } = await project.build(...('args' in rest ? rest.args : []), ...('stack.yml' in files ? ['-f', 'stack.yml'] : ['--filter', '*']))
  assert.equal(code, 1)
  assert.equal(stderr.trimEnd().split('\n').length, 1, stderr)
  assert.match(stderr.trimEnd(), says)
})

test('one broken function does not keep the others from being built', async () => {
  await using project = await createProject({ 'stack.yml': stackOf('broken', 'hello'), 'broken/handler.ts': 'export default', ...hello })
  const { code, stderr } = await project.build('-f', 'stack.yml')
  assert.equal(code, 1)
  assert.match(stderr, /^broken\/handler\.ts:1:15: unexpected end of file$/m)
  assert.deepEqual(await readdir(join(project.folder, 'dist/functions')), ['hello'])
})

test('a Node that is too old is told in one line', async () => {
  await using project = await createProject({})
  const old = `data:text/javascript,Object.defineProperty(process.versions,'node',{value:'20.20.2'})`
  const { code, stderr } = await run(process.execPath, ['--import', old, BUILD], project.folder)
  assert.equal(code, 1)
  assert.match(stderr, /^build\.mjs needs Node 24 or later, this is \S+: use "npm run build", [^\n]*\n$/)
})

type Served = AsyncDisposable & { readonly port: number; readonly lines: readonly string[] }

/** Runs a bundle as the platform does, and waits until it listens. */
async function serve(folder: string, name: string): Promise<Served> {
  const child = spawn(process.execPath, ['index.mjs'], {
    cwd: join(folder, 'dist/functions', name), env: { ...process.env, port: '0', metrics_port: '0', host: '127.0.0.1' },
  })
  const lines: string[] = []
  for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on('line', (line) => lines.push(line))
  const ready = await eventually('the function is ready', () => lines.find((line) => line.includes('"ready"')))
  const { port } = JSON.parse(ready)
  return {
    port, lines,
    async [Symbol.asyncDispose]() {
      const closed = once(child, 'close')
      child.kill('SIGKILL')
      await closed
    },
  }
}

async function call(port: number, path = '/'): Promise<{ status: number; body: string }> {
  const [reply] = await once(request({ port, path, host: '127.0.0.1', agent: false }).end(), 'response')
  let body = ''
  for await (const chunk of reply) body += chunk
  return { status: reply.statusCode, body }
}
