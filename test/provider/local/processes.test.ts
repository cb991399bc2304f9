/** How replicas are started, watched and ended. */
import * as assert from 'node:assert/strict'
import { chmod, mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { eventually, test } from '../../kit.ts'
import { ask } from '../data-path.ts'
import { writeBundle } from '../probe-function.ts'
import { refuses } from '../rejections.ts'
import { refOf, specOf } from '../spec-of.ts'
import { isRunning, makeFolders, startLocal } from '../world.ts'

test('a function sees its own environment and nothing of the platform\'s', async () => {
  process.env['PLATFORM_PASSWORD'] = 'secret'
  await using folders = await makeFolders()
  await writeBundle(folders.functionsDir, 'probe')
  await using local = await startLocal(folders)
  await local.provider.apply(specOf('probe', {
    envVars: {
      greeting: 'hi there', gateway_url: 'http://elsewhere', port: '1', metrics_port: '2', host: '0.0.0.0', secret_mount_path: '/',
      OPENFAAS_NAME: 'other', OPENFAAS_NAMESPACE: 'other', fprocess: 'other', BRAMBLE_OWNER: 'nobody',
    },
  }))
  const [endpoint] = await local.path.ready('probe')
  const env = JSON.parse(await local.path.call('probe', '/env'))
  assert.equal(env.PLATFORM_PASSWORD, undefined)
  const { PATH, HOME, TMPDIR, secret_mount_path, BRAMBLE_OWNER, metrics_port, ...rest } = env
  assert.deepEqual(rest, {
    LANG: 'C.UTF-8', OPENFAAS_NAME: 'probe', OPENFAAS_NAMESPACE: 'openfaas-fn', fprocess: 'node index.mjs', host: '127.0.0.1',
    port: String(endpoint?.port), gateway_url: 'http://elsewhere', greeting: 'hi there', shutdown_grace: '0s',
  })
  assert.ok(PATH.includes('/usr/bin'))
  assert.equal(HOME, TMPDIR)
  assert.notEqual(metrics_port, rest.port)
  assert.ok(Number(metrics_port) >= 20_000 && Number(metrics_port) < 30_000)
  assert.match(BRAMBLE_OWNER, /^[0-9a-f]{32}$/)
  assert.equal(await local.path.call('probe', `/write?path=${TMPDIR}/file`), 'written')
  assert.equal(await local.path.call('probe', `/list?path=${secret_mount_path}`), '')
  assert.ok(local.lines.some(({ message, names }) => /ignored/.test(String(message)) && String(names).includes('port')))
})

test('an image without a bundle is refused with the folder and the command that builds it', async () => {
  await using folders = await makeFolders()
  await mkdir(join(folders.functionsDir, 'empty'), { recursive: true })
  await using local = await startLocal(folders)
  const { provider } = local
  const image = 'localhost:5000/team/missing:1.0@sha256:0123456789abcdef0123456789abcdef'
  await refuses('INVALID', [join(folders.functionsDir, 'missing'), 'npm run build missing', 'npx bramble up'], () =>
    provider.apply(specOf('probe', { image })))
  await refuses('INVALID', [join(folders.functionsDir, 'empty', 'index.mjs'), 'npm run build empty'], () =>
    provider.apply(specOf('probe', { image: 'empty' })))
  await symlink('/etc/passwd', join(folders.functionsDir, 'empty', 'index.mjs'))
  await refuses('INVALID', ['not a plain file'], () => provider.apply(specOf('probe', { image: 'empty' })))
})

test('another program is run from the bundle, its words split at spaces, without a shell', async () => {
  await using folders = await makeFolders()
  const bundle = join(folders.functionsDir, 'other')
  await mkdir(join(bundle, 'lib'), { recursive: true })
  await writeFile(join(bundle, 'lib', 'serve.cjs'), `
    require('node:http').createServer((q, r) => r.end(JSON.stringify(process.argv.slice(2)))).listen(process.env.port, '127.0.0.1')`)
  await writeFile(join(bundle, 'run'), '#!/bin/sh\nexec node lib/serve.cjs "$@"\n')
  await chmod(join(bundle, 'run'), 0o755)
  await using local = await startLocal(folders)
  await local.provider.apply(specOf('direct', { image: 'other', envProcess: 'node  lib/serve.cjs $HOME `id` ;' }))
  await local.provider.apply(specOf('script', { image: 'other', envProcess: './run a "b' }))
  await local.path.ready('direct')
  await local.path.ready('script')
  assert.equal(await local.path.call('direct', '/'), '["$HOME","`id`",";"]')
  assert.equal(await local.path.call('script', '/'), '["a","\\"b"]')
})

test('a program that is missing or cannot be run is reported as the function\'s condition', async () => {
  await using folders = await makeFolders()
  await mkdir(join(folders.functionsDir, 'other'), { recursive: true })
  await writeFile(join(folders.functionsDir, 'other', 'data'), 'x')
  await using local = await startLocal(folders)
  await local.provider.apply(specOf('missing', { image: 'other', envProcess: 'python9 app.py' }))
  await local.provider.apply(specOf('data', { image: 'other', envProcess: './data' }))
  for (const [name, words] of [['missing', /cannot run "python9": there is no such program/], ['data', /cannot run ".\/data": it may not be executed/]] as const) {
    const condition = await eventually(`the condition of ${name}`, async () =>
      (await local.provider.get(refOf(name)))?.conditions.find(({ reason }) => reason === 'NotReady'))
    assert.match(condition.message, words)
  }
})

for (const known of ['none', 'health']) {
  test(`a program is ready when it listens, or as its health says, if it knows ${known} of the paths`, async () => {
    await using folders = await makeFolders()
    await writeBundle(folders.functionsDir, 'probe')
    await using local = await startLocal(folders)
    await local.provider.apply(specOf('probe', { envVars: { ready_paths: known, unready: '1' } }))
    await local.path.ready('probe')
  })
}

test('the readiness path of an annotation decides alone', async () => {
  await using folders = await makeFolders()
  await writeBundle(folders.functionsDir, 'probe')
  await using local = await startLocal(folders, { settings: { readyDeadlineMs: 300 } })
  const { provider, path } = local
  const at = (target: string): { annotations: Record<string, string> } => ({ annotations: { 'com.openfaas.ready.http.path': target } })
  await provider.apply(specOf('custom', { image: 'probe', envVars: { unready: '1' }, ...at('/version') }))
  await path.ready('custom')
  await provider.apply(specOf('absent', { image: 'probe', ...at('/nothing-here') }))
  const condition = await eventually('it is reported', async () =>
    (await provider.get(refOf('absent')))?.conditions.find(({ message }) => message.includes('/nothing-here answers 404')))
  assert.equal(condition.reason, 'NotReady')
  assert.deepEqual(path.endpoints('absent'), [])
  await refuses('INVALID', ['a b'], () => provider.apply(specOf('bad', { image: 'probe', ...at('a b') })))
})

test('a new version that never becomes ready leaves the old one serving, and ends', async () => {
  await using folders = await makeFolders()
  await writeBundle(folders.functionsDir, 'probe')
  await using local = await startLocal(folders, { updateTimeoutMs: 3_000 })
  const { provider, path } = local
  await provider.apply(specOf('probe'))
  const good = await path.ready('probe')
  await provider.apply(specOf('probe', { envVars: { unready: '1', say: 'waiting for nothing' } }))
  const failure = await eventually('the failure', async () =>
    (await provider.get(refOf('probe')))?.conditions.find(({ reason }) => reason === 'UpdateFailed'))
  assert.match(failure.message, /not ready after 3 s: \/_\/ready answers 503/)
  assert.deepEqual(failure.lastLines, ['waiting for nothing'])
  assert.deepEqual(path.endpoints('probe'), good)
  await eventually('the new replica has ended', async () => (await linesOf(local)).includes('told to end'))
  await provider.apply(specOf('probe', { envVars: { unready: '1', say: 'waiting for nothing' } }))
  assert.deepEqual((await provider.get(refOf('probe')))?.conditions.map(({ reason }) => reason), ['Starting'], 'it is tried again')
})

test('a first version that is slow becomes ready in the end', async () => {
  await using folders = await makeFolders()
  await writeBundle(folders.functionsDir, 'probe')
  await using local = await startLocal(folders, { updateTimeoutMs: 200 })
  await local.provider.apply(specOf('probe', { envVars: { start_delay_ms: '800' } }))
  const late = await eventually('it is late', async () =>
    (await local.provider.get(refOf('probe')))?.conditions.find(({ reason }) => reason === 'NotReady'))
  assert.match(late.message, /is not ready after 0.\d s: it does not listen on port/)
  await local.path.ready('probe')
  assert.deepEqual((await local.provider.get(refOf('probe')))?.conditions, [])
})

test('a replica that hangs is replaced, one that only says it is busy is not', async () => {
  await using folders = await makeFolders()
  await writeBundle(folders.functionsDir, 'probe')
  await using local = await startLocal(folders, { settings: { aliveEveryMs: 50, probeTimeoutMs: 200, unresponsiveAfterMs: 900 } })
  await local.provider.apply(specOf('busy', { image: 'probe' }))
  await local.provider.apply(specOf('hangs', { image: 'probe' }))
  const [busy] = await local.path.ready('busy')
  const [hangs] = await local.path.ready('hangs')
  assert.ok(busy && hangs)
  await ask(busy, '/ready/off')
  ask(hangs, '/hang').catch(() => undefined)
  await eventually('the hanging one is replaced', () =>
    local.path.endpoints('hangs').length === 1 && local.path.endpoints('hangs')[0] !== hangs)
  assert.ok(local.lines.some(({ cause, reason }) => cause === 'unresponsive' && /did not answer for/.test(String(reason))))
  assert.deepEqual(local.path.endpoints('busy'), [busy])
})

test('a replica whose port was taken gets another one, which counts as no failure', async () => {
  await using folders = await makeFolders()
  await writeBundle(folders.functionsDir, 'probe')
  await using local = await startLocal(folders)
  const note = join('/tmp', `bramble-port-${process.pid}`)
  try {
    await local.provider.apply(specOf('probe', { envVars: { bad_port_once: note } }))
    await local.path.ready('probe')
    assert.ok(local.lines.some(({ cause }) => cause === 'port-taken'))
    assert.deepEqual((await local.provider.get(refOf('probe')))?.conditions, [])
  } finally {
    await rm(note, { force: true })
  }
})

test('restarts wait longer and longer, and not at all once a replica was stable', async () => {
  await using folders = await makeFolders()
  await writeBundle(folders.functionsDir, 'probe')
  await using local = await startLocal(folders, { settings: { stableAfterMs: 300, restartFirstMs: 100, restartMaxMs: 400 } })
  await local.provider.apply(specOf('probe', { envVars: { crash: '1' } }))
  const ends = (): number[] => local.lines.filter(({ message }) => message === 'replica ended by itself')
    .map(({ time }) => Date.parse(String(time)))
  await eventually('six ends', () => ends().length >= 6)
  const gaps = ends().slice(1).map((time, index) => time - (ends()[index] ?? 0))
  for (const [index, least] of [0, 100, 200, 400, 400].entries()) {
    assert.ok((gaps[index] ?? 0) >= least, `restart ${index + 1} after ${gaps[index]} ms`)
  }
  const condition = (await local.provider.get(refOf('probe')))?.conditions[0]
  assert.match(condition?.message ?? '', /exited with code 3 \(\d+ times in a row; (next start in 0.\d s|started again)\)/)
})

test('a function that ends again and again is started again and again', async () => {
  await using folders = await makeFolders()
  await writeBundle(folders.functionsDir, 'probe')
  // Many moments at which a restart is just due, or not yet.
  await using local = await startLocal(folders, { settings: { restartFirstMs: 5, restartMaxMs: 5 } })
  await local.provider.apply(specOf('probe', { envVars: { crash: '1' } }))
  await eventually('a hundred ends', () => local.lines.filter(({ message }) => message === 'replica ended by itself').length >= 100)
})

test('a replica that does not end when told to is killed after its grace, with all it started', async () => {
  await using folders = await makeFolders()
  await writeBundle(folders.functionsDir, 'probe')
  await using local = await startLocal(folders, { settings: { graceMs: 300 } })
  await local.provider.apply(specOf('probe', { envVars: { ignore_sigterm: '1' } }))
  await local.path.ready('probe')
  const pid = Number(await local.path.call('probe', '/pid'))
  const child = Number(await local.path.call('probe', '/child'))
  await local.provider.scale(refOf('probe'), 0)
  assert.ok(await isRunning(pid))
  await eventually('both are gone', async () => !await isRunning(pid) && !await isRunning(child))
})

test('what a replica started ends with it when it crashes, and the platform\'s stop takes all', async () => {
  await using folders = await makeFolders()
  await writeBundle(folders.functionsDir, 'probe')
  await using local = await startLocal(folders, { settings: { stopMs: 300 } })
  await local.provider.apply(specOf('probe', { envVars: { ignore_sigterm: '1' } }))
  const [endpoint] = await local.path.ready('probe')
  assert.ok(endpoint)
  const child = Number(await ask(endpoint, '/child'))
  await ask(endpoint, '/exit?code=0').catch(() => undefined)
  await eventually('the child is gone', async () => !await isRunning(child))
  await eventually('a new replica', () => local.path.endpoints('probe').length === 1 && local.path.endpoints('probe')[0] !== endpoint)
  const pids = [Number(await local.path.call('probe', '/pid')), Number(await local.path.call('probe', '/child'))]
  await local.provider.stop()
  for (const pid of pids) assert.ok(!await isRunning(pid))
})

test('without a data path a replica that leaves ends after its drain deadline', async () => {
  await using folders = await makeFolders()
  await writeBundle(folders.functionsDir, 'probe')
  await using local = await startLocal(folders, { settings: { drainMs: 300 } })
  await local.provider.apply(specOf('probe'))
  const [endpoint] = await local.path.ready('probe')
  assert.ok(endpoint)
  const pid = Number(await ask(endpoint, '/pid'))
  local.path.stop()
  await local.provider.remove(refOf('probe'))
  assert.ok(await isRunning(pid))
  await eventually('it ended', async () => !await isRunning(pid))
})

test('many replicas are updated step by step, and the route never has fewer than were asked for', async () => {
  await using folders = await makeFolders()
  await writeBundle(folders.functionsDir, 'probe')
  await using local = await startLocal(folders, { settings: { updateStep: 2 } })
  const { provider, path } = local
  await provider.apply(specOf('probe', { labels: { 'com.openfaas.scale.min': '5' }, envVars: { version: 'old' } }))
  const old = await path.ready('probe', 5)
  const from = path.changes.length
  await provider.apply(specOf('probe', { labels: { 'com.openfaas.scale.min': '5' }, envVars: { version: 'new' } }))
  await eventually('all are new', () => path.endpoints('probe').length === 5 && path.endpoints('probe').every((one) => !old.includes(one)))
  for (const { route } of path.changes.slice(from)) {
    assert.ok((route?.endpoints.length ?? 0) >= 5 && (route?.endpoints.length ?? 0) <= 7, `${route?.endpoints.length} endpoints`)
  }
})

async function linesOf(local: Awaited<ReturnType<typeof startLocal>>): Promise<string[]> {
  const all = await Array.fromAsync(local.provider.logs({ ...refOf('probe'), follow: false }, new AbortController().signal))
  return all.map(({ text }) => text)
}
