/** Who may read what: with root each function is a user of its own; without, all are the platform's own user. */
import * as assert from 'node:assert/strict'
import { chmod, copyFile, link, mkdir, readFile, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createUsers } from '../../../platform/provider/local/users.ts'
import { eventually, test } from '../../kit.ts'
import { ask } from '../data-path.ts'
import { writeBundle } from '../probe-function.ts'
import { refOf, specOf } from '../spec-of.ts'
import { isRunning, makeFolders, startLocal } from '../world.ts'

const isRoot = process.getuid?.() === 0

if (isRoot) {
  test('a function has a user of its own and cannot touch others, their secrets or the platform\'s data', async () => {
    await using folders = await makeFolders()
    await writeBundle(folders.functionsDir, 'probe')
    await using local = await startLocal(folders)
    const { provider, path } = local
    await provider.secrets.create({ ...refOf('mine'), value: Buffer.from('a secret') })
    await provider.apply(specOf('one', { image: 'probe', secrets: ['mine'] }))
    await provider.apply(specOf('two', { image: 'probe', secrets: ['mine'] }))
    await path.ready('one')
    await path.ready('two')
    const one = JSON.parse(await path.call('one', '/env'))
    const two = JSON.parse(await path.call('two', '/env'))
    const user = JSON.parse(await path.call('one', '/user'))
    const other = JSON.parse(await path.call('two', '/user'))
    assert.ok(user.uid >= 50_000 && user.uid <= 59_999, JSON.stringify(user))
    assert.deepEqual(user, { uid: user.uid, gid: user.uid, groups: [user.uid] }, 'no group of the platform is left')
    assert.notEqual(user.uid, other.uid)

    assert.equal(await path.call('one', '/secret?name=mine'), 'a secret')
    assert.equal(await path.call('one', `/read?path=${two.secret_mount_path}/mine`), 'EACCES')
    assert.equal(await path.call('one', `/list?path=${two.secret_mount_path}`), 'EACCES')
    assert.equal(await path.call('one', `/list?path=${two.TMPDIR}`), 'EACCES')
    assert.equal(await path.call('one', `/list?path=${join(two.TMPDIR, '../..')}`), 'EACCES')
    assert.equal(await path.call('one', `/list?path=${folders.dataDir}`), 'EACCES')
    assert.equal(await path.call('one', `/read?path=${folders.dataDir}/secrets/mine.openfaas-fn`), 'EACCES')
    const pid = Number(await path.call('two', '/pid'))
    assert.equal(await path.call('one', `/signal?pid=${pid}`), 'EPERM')
    assert.equal(await path.call('one', `/read?path=/proc/${pid}/environ`), 'EACCES')
    assert.equal(await path.call('one', `/write?path=${one.TMPDIR}/x`), 'written')
    assert.equal(await path.call('one', `/write?path=${one.secret_mount_path}/mine`), 'EACCES')
    const bundle = await path.call('one', `/read?path=/proc/self/cmdline`)
    assert.ok(bundle.includes('index.mjs'))
    assert.equal(await path.call('one', '/write?path=index.mjs'), 'EACCES', 'the bundle belongs to root')
    assert.equal((await stat(join(one.secret_mount_path, 'mine'))).mode & 0o777, 0o400)
  })

  test('a function keeps its user over updates and restarts, and it is not given to the next one', async () => {
    await using folders = await makeFolders()
    await writeBundle(folders.functionsDir, 'probe')
    const uidOf = async (local: Awaited<ReturnType<typeof startLocal>>, name: string): Promise<number> =>
      JSON.parse(await local.path.call(name, '/user')).uid
    let one: number
    {
      await using local = await startLocal(folders)
      await local.provider.apply(specOf('gone', { image: 'probe' }))
      await local.provider.apply(specOf('one', { image: 'probe' }))
      await local.path.ready('gone')
      await local.path.ready('one')
      const gone = await uidOf(local, 'gone')
      one = await uidOf(local, 'one')
      await local.provider.remove(refOf('gone'))
      await local.provider.apply(specOf('next', { image: 'probe' }))
      await local.provider.apply(specOf('one', { image: 'probe', envVars: { version: '2' } }))
      await local.path.ready('next')
      assert.ok(![gone, one].includes(await uidOf(local, 'next')))
      await eventually('the update', async () => await local.path.call('one', '/version') === '2')
      assert.equal(await uidOf(local, 'one'), one)
    }
    await using local = await startLocal(folders)
    await local.path.ready('one')
    assert.equal(await uidOf(local, 'one'), one)
  })

  test('functions run though bundles, Node and the data lie where only root can go', async () => {
    await using folders = await makeFolders()
    const hidden = join(folders.root, 'hidden')
    await mkdir(hidden, { mode: 0o700 })
    const nodePath = join(hidden, 'node')
    await link(process.execPath, nodePath).catch(() => copyFile(process.execPath, nodePath))
    const functionsDir = join(hidden, 'functions')
    await writeBundle(functionsDir, 'probe')
    await mkdir(join(functionsDir, 'probe', 'lib'))
    await writeFile(join(functionsDir, 'probe', 'lib', 'data'), 'with the bundle', { mode: 0o600 })
    await chmod(join(functionsDir, 'probe', 'index.mjs'), 0o600)
    await using local = await startLocal({ ...folders, functionsDir, dataDir: join(hidden, 'data') }, { nodePath })
    await local.provider.apply(specOf('probe'))
    await local.path.ready('probe')
    assert.equal(await local.path.call('probe', '/read?path=lib/data'), 'with the bundle')
    await local.provider.apply(specOf('probe', { envProcess: 'node ./index.mjs', envVars: { version: 'by name' } }))
    await eventually('node is found by name too', async () => await local.path.call('probe', '/version') === 'by name')

    const run = await readFile(join(hidden, 'data', 'run-folder'), 'utf8')
    assert.equal((await stat(run)).mode & 0o777, 0o711)
    await local.provider.stop()
    await assert.rejects(stat(run), 'the folder goes with the platform')
  })

  test('the folder of a killed platform outside of its data is removed by the next start', async () => {
    await using folders = await makeFolders()
    await writeBundle(folders.functionsDir, 'probe')
    const { startPlatformChild } = await import('./platform-child.ts')
    await using killed = startPlatformChild(folders, 'probe')
    const [pid = 0] = await killed.replicaPids('probe')
    const run = await readFile(join(folders.dataDir, 'run-folder'), 'utf8')
    assert.ok((await readdir(join(run, 'bundles'))).length > 0)
    await killed.kill('SIGKILL')
    await using _ = await startLocal(folders)
    await assert.rejects(stat(run))
    assert.ok(!await isRunning(pid))
  })
} else {
  console.log('not root: functions run as the platform\'s own user, so what user ids keep apart is not tested here')
}

test('without root all functions run as the platform\'s own user, with folders only it can enter', async () => {
  await using folders = await makeFolders()
  await writeBundle(folders.functionsDir, 'probe')
  await using local = await startLocal(folders, { isRoot: false })
  await local.provider.secrets.create({ ...refOf('mine'), value: Buffer.from('a secret') })
  await local.provider.apply(specOf('probe', { secrets: ['mine'] }))
  const [endpoint] = await local.path.ready('probe')
  assert.ok(endpoint)
  assert.equal(JSON.parse(await ask(endpoint, '/user')).uid, process.getuid?.())
  const env = JSON.parse(await ask(endpoint, '/env'))
  assert.ok(env.secret_mount_path.startsWith(join(folders.dataDir, 'run')))
  assert.equal((await stat(env.secret_mount_path)).mode & 0o777, 0o700)
  assert.equal((await stat(join(env.secret_mount_path, 'mine'))).mode & 0o777, 0o600)
  assert.equal((await stat(folders.dataDir)).mode & 0o777, 0o700)
  for (const file of await readdir(join(folders.dataDir, 'secrets'))) {
    assert.equal((await stat(join(folders.dataDir, 'secrets', file))).mode & 0o777, 0o600)
  }
  await local.provider.remove(refOf('probe'))
  await eventually('its folders are gone', async () => (await readdir(join(folders.dataDir, 'run', 'replicas'))).length === 0)
})

test('user ids are given out in turn, never twice, and those of functions that are there are not touched', () => {
  const users = createUsers({ first: 10, last: 13 })
  users.claim(11)
  users.claim(99)
  assert.ok(users.has(11) && !users.has(99))
  assert.deepEqual([users.take(), users.take()], [12, 13])
  users.giveBack(12)
  assert.equal(users.take(), 10, 'one that was given back rests')
  assert.equal(users.take(), 12)
  assert.throws(() => users.take(), /10 to 13/)
})
