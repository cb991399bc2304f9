/** What survives the platform, and what must not. */
import * as assert from 'node:assert/strict'
import { link, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DEFAULT_NAMESPACE } from '../../../platform/openfaas/types.ts'
import type { Route } from '../../../platform/provider/provider.ts'
import { eventually, test, withDeadline } from '../../kit.ts'
import { ask } from '../data-path.ts'
import { writeBundle } from '../probe-function.ts'
import { refuses } from '../rejections.ts'
import { refOf, specOf } from '../spec-of.ts'
import { isRunning, makeFolders, startLocal } from '../world.ts'
import { startPlatformChild } from './platform-child.ts'

test('functions, secrets and namespaces are there again after a restart', async () => {
  await using folders = await makeFolders()
  await writeBundle(folders.functionsDir, 'probe')
  const longName = `${'a'.repeat(60)}.`.repeat(4) + 'z'
  let created: Date | undefined
  {
    await using local = await startLocal(folders)
    const { provider, path } = local
    await provider.namespaces.create({ name: 'staging', labels: { openfaas: '1' }, annotations: { a: 'b' } })
    await provider.secrets.create({ ...refOf('key', 'staging'), value: Buffer.from('päss\n') })
    await provider.secrets.create({ ...refOf(longName, 'staging'), value: Buffer.from('x') })
    await provider.secrets.create({ ...refOf('doomed'), value: Buffer.from('x') })
    await provider.secrets.remove(refOf('doomed'))
    await provider.apply(specOf('probe', { namespace: 'staging', secrets: ['key', longName], envVars: { version: '7' } }))
    await provider.apply(specOf('doomed', { image: 'probe' }))
    await path.ready('probe', 1, 'staging')
    await provider.scale(refOf('probe', 'staging'), 2)
    await provider.remove(refOf('doomed'))
    created = (await provider.get(refOf('probe', 'staging')))?.createdAt
  }
  await using local = await startLocal(folders)
  const { provider, path } = local
  await path.ready('probe', 2, 'staging')
  assert.equal(await path.call('probe', '/version', 'staging'), '7')
  assert.deepEqual((await provider.get(refOf('probe', 'staging')))?.createdAt, created)
  assert.equal(await path.call('probe', '/secret?name=key', 'staging'), 'päss\n')
  assert.equal(await path.call('probe', `/secret?name=${longName}`, 'staging'), 'x')
  assert.deepEqual(await provider.namespaces.get('staging'), { name: 'staging', labels: { openfaas: '1' }, annotations: { a: 'b' } })
  assert.deepEqual(await provider.secrets.list(DEFAULT_NAMESPACE), [])
  assert.equal((await provider.secrets.list('staging')).length, 2)
  assert.deepEqual(await provider.list(DEFAULT_NAMESPACE), [])
})

test('functions with the same content are deployed side by side', async () => {
  await using folders = await makeFolders()
  const names = Array.from({ length: 8 }, (_, index) => `probe-${index}`)
  for (const name of names) await writeBundle(folders.functionsDir, name)
  await using local = await startLocal(folders)
  await Promise.all(names.map((name) => local.provider.apply(specOf(name))))
  assert.equal((await readdir(join(folders.dataDir, 'bundles'))).length, 1)
})

test('a bundle may have any name, also that of the folder of snapshots', async () => {
  await using folders = await makeFolders()
  await writeBundle(folders.functionsDir, 'snapshots')
  await using local = await startLocal(folders)
  await withDeadline(local.provider.apply(specOf('snapshots')), 20_000, 'deploying it')
})

test('a restart runs what was deployed, though the bundle was built again since', async () => {
  await using folders = await makeFolders()
  await writeBundle(folders.functionsDir, 'probe', 'deployed')
  {
    await using local = await startLocal(folders)
    await local.provider.apply(specOf('probe'))
    await local.path.ready('probe')
    await writeBundle(folders.functionsDir, 'probe', 'rebuilt')
    const [endpoint] = local.path.endpoints('probe')
    assert.ok(endpoint)
    await ask(endpoint, '/exit?code=1').catch(() => undefined)
    await eventually('a restart after a crash', () => local.path.endpoints('probe').length === 1 && local.path.endpoints('probe')[0] !== endpoint)
    assert.equal(await local.path.call('probe', '/version'), 'deployed')
  }
  await rm(join(folders.functionsDir, 'probe'), { recursive: true })
  await using local = await startLocal(folders)
  await local.path.ready('probe')
  assert.equal(await local.path.call('probe', '/version'), 'deployed')
})

test('snapshots that no function needs any more are removed', async () => {
  await using folders = await makeFolders()
  await writeBundle(folders.functionsDir, 'probe', 'one')
  await using local = await startLocal(folders)
  const snapshots = (): Promise<string[]> => readdir(join(folders.dataDir, 'bundles'))
  await local.provider.apply(specOf('probe'))
  await local.path.ready('probe')
  const first = await snapshots()
  assert.equal(first.length, 1)
  await writeBundle(folders.functionsDir, 'probe', 'two')
  await local.provider.apply(specOf('probe'))
  await eventually('only the new one is left', async () => {
    const now = await snapshots()
    return now.length === 1 && now[0] !== first[0]
  })
  assert.equal(await local.path.call('probe', '/version'), 'two')
  await local.provider.remove(refOf('probe'))
  await eventually('none is left', async () => (await snapshots()).length === 0)
})

test('after a failed update a restart serves the last good version, and still says so', async () => {
  await using folders = await makeFolders()
  await writeBundle(folders.functionsDir, 'probe', 'good')
  {
    await using local = await startLocal(folders)
    await local.provider.apply(specOf('probe'))
    await local.path.ready('probe')
    await writeBundle(folders.functionsDir, 'probe', 'bad')
    await local.provider.apply(specOf('probe', { envVars: { crash: '1' } }))
    await eventually('the failure', async () =>
      (await local.provider.get(refOf('probe')))?.conditions.some(({ reason }) => reason === 'UpdateFailed'))
    await eventually('the failure is written down', async () =>
      (await readFile(join(folders.dataDir, 'functions', `probe.${DEFAULT_NAMESPACE}`), 'utf8')).includes('failure'))
  }
  await using local = await startLocal(folders)
  await local.path.ready('probe')
  assert.equal(await local.path.call('probe', '/version'), 'good')
  const conditions = (await local.provider.get(refOf('probe')))?.conditions
  assert.equal(conditions?.[0]?.reason, 'UpdateFailed')
  assert.ok(conditions[0].lastLines?.includes('crashing as asked'))
  await local.provider.apply(specOf('probe', { envVars: { version: 'repaired' } }))
  await eventually('the repaired version', async () => await local.path.call('probe', '/version') === 'repaired')
})

test('a platform killed during an update brings the old version back, and then the new one', async () => {
  await using folders = await makeFolders()
  await writeBundle(folders.functionsDir, 'probe', 'old')
  {
    await using local = await startLocal(folders)
    await local.provider.apply(specOf('probe'))
    await local.path.ready('probe')
    await eventually('it is known to be good', async () =>
      (await readFile(join(folders.dataDir, 'functions', `probe.${DEFAULT_NAMESPACE}`), 'utf8')).includes('lastGood'))
    await local.provider.apply(specOf('probe', { envVars: { version: 'new', start_delay_ms: '1500' } }))
  }
  await using local = await startLocal(folders)
  await local.path.ready('probe')
  assert.equal(await local.path.call('probe', '/version'), 'old')
  await eventually('the update goes on', async () => await local.path.call('probe', '/version') === 'new')
})

test('a killed platform leaves no process running after the next start', async () => {
  await using folders = await makeFolders()
  await writeBundle(folders.functionsDir, 'probe')
  const killed = startPlatformChild(folders, 'probe')
  await using _ = killed
  await killed.applied()
  const [pid = 0] = await killed.replicaPids('probe')
  await killed.kill('SIGKILL')
  assert.ok(await isRunning(pid), 'it outlives the platform')
  await using local = await startLocal(folders)
  assert.ok(!await isRunning(pid), 'it is ended by the next start')
  await local.path.ready('probe')
  assert.notEqual(Number(await local.path.call('probe', '/pid')), pid)
  assert.ok(local.lines.some(({ message }) => message === 'ending processes that were left behind'))
})

test('a second platform on the same data is refused while the first one lives', async () => {
  await using folders = await makeFolders()
  await writeBundle(folders.functionsDir, 'probe')
  await using first = startPlatformChild(folders, 'probe')
  await first.applied()
  const [pid = 0] = await first.replicaPids('probe')
  await using second = startPlatformChild(folders)
  const refusal = await second.refusal()
  assert.match(refusal, /in use/)
  assert.ok(refusal.includes(String(first.pid)) && refusal.includes(folders.dataDir), refusal)
  await refuses('CONFLICT', ['data_dir'], () => startLocal(folders))
  assert.ok(await isRunning(pid), 'the first one is not harmed')
  await first.kill('SIGTERM')
  assert.ok(!await isRunning(pid), 'a platform that stops takes its replicas along')
  await using third = await startLocal(folders)
  await third.path.ready('probe')
})

test('a lock is stale when its process is another one, or its file is broken', async () => {
  await using folders = await makeFolders()
  { await using _ = await startLocal(folders) }
  for (const text of [`${process.pid} another life`, '999999999 x', '', 'garbage']) {
    await writeFile(join(folders.dataDir, 'lock'), text)
    await using local = await startLocal(folders)
    assert.ok((await readFile(join(folders.dataDir, 'lock'), 'utf8')).startsWith(`${process.pid} `))
    assert.deepEqual(await local.provider.list(DEFAULT_NAMESPACE), [])
  }
  assert.deepEqual((await readdir(folders.dataDir)).filter((name) => name.startsWith('lock')), [])
})

test('an unreadable file is reported and set aside, and everything else is there', async () => {
  await using folders = await makeFolders()
  await writeBundle(folders.functionsDir, 'probe')
  const asleep = { image: 'probe', labels: { 'com.openfaas.scale.min': '0' } }
  {
    await using local = await startLocal(folders)
    for (const name of ['one', 'two', 'three', 'four']) await local.provider.apply(specOf(name, asleep))
    await local.provider.secrets.create({ ...refOf('key'), value: Buffer.from('x') })
  }
  const file = (name: string): string => join(folders.dataDir, 'functions', `${name}.${DEFAULT_NAMESPACE}`)
  await writeFile(file('two'), (await readFile(file('two'), 'utf8')).slice(0, 50))
  await writeFile(file('three'), '')
  await link(file('one'), file('five'))
  await writeFile(join(folders.dataDir, 'secrets', 'broken'), '{"name":1}')
  await using local = await startLocal(folders)
  assert.deepEqual((await local.provider.list(DEFAULT_NAMESPACE)).map(({ spec }) => spec.name), ['four', 'one'])
  assert.deepEqual((await local.provider.secrets.list(DEFAULT_NAMESPACE)).map(({ name }) => name), ['key'])
  assert.equal((await readdir(join(folders.dataDir, 'unreadable'))).length, 4)
  const reports = local.lines.filter(({ level }) => level === 'error')
  for (const name of [file('two'), file('three'), file('five'), 'secrets/broken']) {
    assert.ok(reports.some((line) => String(line['file']).endsWith(name)), name)
  }
})

test('functions of a namespace whose file is unreadable are not lost', async () => {
  await using folders = await makeFolders()
  await writeBundle(folders.functionsDir, 'probe')
  {
    await using local = await startLocal(folders)
    await local.provider.namespaces.create({ name: 'staging', labels: {}, annotations: {} })
    await local.provider.apply(specOf('probe', { namespace: 'staging', labels: { 'com.openfaas.scale.min': '0' } }))
  }
  await writeFile(join(folders.dataDir, 'namespaces', 'staging'), 'garbage')
  await using local = await startLocal(folders)
  assert.equal((await local.provider.list('staging')).length, 1)
})

test('starting and stopping may be done twice, and again', async () => {
  await using folders = await makeFolders()
  await writeBundle(folders.functionsDir, 'probe')
  await using local = await startLocal(folders, { settings: { collectAfterMs: 0 } })
  const { provider } = local
  let last: Route | undefined
  await provider.start()
  await provider.apply(specOf('probe'))
  const [endpoint] = await local.path.ready('probe')
  assert.ok(endpoint)
  await provider.stop()
  await provider.stop()
  await assert.rejects(ask(endpoint, '/version'))
  await refuses('UNAVAILABLE', [], () => provider.apply(specOf('probe')))
  assert.deepEqual(await readdir(join(folders.dataDir, 'run')).catch(() => []), [])
  await provider.start()
  provider.watch(({ route }) => { if (route) last = route })
  await eventually('its snapshot was not taken for garbage', () => last?.endpoints.length === 1)
})
