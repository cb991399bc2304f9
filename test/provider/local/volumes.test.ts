/** Functions with a folder of their own that outlives them. */
import * as assert from 'node:assert/strict'
import { chmod, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { createTestGateway } from '../../contract/replay.ts'
import { eventually, test } from '../../kit.ts'
import { writeBundle } from '../probe-function.ts'
import { refuses } from '../rejections.ts'
import { refOf, specOf } from '../spec-of.ts'
import { isRunning, makeFolders, startLocal, type Folders } from '../world.ts'

const isRoot = process.getuid?.() === 0
const withVolume = { image: 'probe', annotations: { 'bramble/volume': '/data' } }

/** Where functions with users of their own can go too. */
async function makeOpenFolders(): Promise<Folders> {
  const folders = await makeFolders()
  await chmod(folders.root, 0o711)
  await writeBundle(folders.functionsDir, 'probe')
  return folders
}

test('what a function writes into its volume is there after an update, a restart, and when it is removed and comes back', async () => {
  await using folders = await makeOpenFolders()
  const read = async ({ path }: Awaited<ReturnType<typeof startLocal>>, name = 'probe'): Promise<string> => {
    const folder = JSON.parse(await path.call(name, '/env')).volume_path
    return path.call(name, `/read?path=${folder}/kept`)
  }
  {
    await using local = await startLocal(folders)
    const { provider, path } = local
    await provider.apply(specOf('probe', withVolume))
    await path.ready('probe')
    const folder = JSON.parse(await path.call('probe', '/env')).volume_path
    assert.equal(folder, join(folders.dataDir, 'volumes', 'probe.openfaas-fn'))
    assert.equal(await path.call('probe', `/write?path=${folder}/kept`), 'written')
    assert.equal((await stat(folder)).mode & 0o777, 0o700)

    await provider.apply(specOf('probe', { ...withVolume, envVars: { version: '2', volume_path: '/elsewhere' } }))
    await eventually('the update', async () => path.endpoints('probe').length === 1 && await path.call('probe', '/version') === '2')
    assert.equal(await read(local), 'x')

    await provider.apply(specOf('other', { image: 'probe' }))
    await path.ready('other')
    assert.equal(JSON.parse(await path.call('other', '/env')).volume_path, undefined)
    if (isRoot) assert.equal(await path.call('other', `/read?path=${folder}/kept`), 'EACCES')
  }
  await using local = await startLocal(folders)
  await local.path.ready('probe')
  assert.equal(await read(local), 'x')
  await local.provider.remove(refOf('probe'))
  await local.provider.apply(specOf('next', { image: 'probe' }))
  await local.provider.apply(specOf('probe', withVolume))
  await local.path.ready('probe')
  assert.equal(await read(local), 'x')
})

test('the new version starts when the old one is gone, and no call fails meanwhile', async () => {
  await using folders = await makeOpenFolders()
  await using local = await startLocal(folders)
  const { provider, path } = local
  path.stop()
  const gateway = createTestGateway(provider, 'none', { readyTimeoutMs: 30_000, upstreamTimeoutMs: 30_000 })
  await gateway.start()
  try {
    const call = async (target: string): Promise<string> => {
      const answer = await fetch(`${gateway.url()}/function/probe${target}`)
      assert.equal(answer.status, 200, target)
      return answer.text()
    }
    await provider.apply(specOf('probe', withVolume))
    const first = Number(await call('/pid'))
    const seen: string[] = []
    const underWay = call('/version?delay_ms=300')
    await provider.apply(specOf('probe', { ...withVolume, envVars: { version: '2' } }))
    while (seen.at(-1) !== '2') {
      seen.push(await call('/version'))
      if (seen.at(-1) === '2') assert.equal(await isRunning(first), false, 'two at a time')
    }
    assert.equal(await underWay, '1')
    assert.notEqual(Number(await call('/pid')), first)
  } finally {
    await gateway.stop()
  }
})

test('an update that does not start gives the volume back to the version before', async () => {
  await using folders = await makeOpenFolders()
  await using local = await startLocal(folders)
  const { provider, path } = local
  await provider.apply(specOf('probe', withVolume))
  await path.ready('probe')
  await provider.apply(specOf('probe', { ...withVolume, envVars: { crash: '1' } }))
  const failed = await eventually('the failure', async () =>
    (await provider.get(refOf('probe')))?.conditions.find(({ message }) => message.includes('the one before serves on')))
  assert.match(failed.message, /crashing|code 3/)
  await path.ready('probe')
  assert.equal(await path.call('probe', '/version'), '1')
})

test('one replica writes a volume: more are refused', async () => {
  await using folders = await makeOpenFolders()
  await using local = await startLocal(folders)
  const { provider } = local
  await refuses('INVALID', ['volume', 'com.openfaas.scale.min is 2'], () =>
    provider.apply(specOf('probe', { ...withVolume, labels: { 'com.openfaas.scale.min': '2' } })))
  await refuses('INVALID', ['/data', 'not "data"'], () => provider.apply(specOf('probe', { ...withVolume, annotations: { 'bramble/volume': 'data' } })))
  await provider.apply(specOf('probe', withVolume))
  await refuses('INVALID', ['volume', 'replicas is 2'], () => provider.scale(refOf('probe'), 2))
  await provider.apply(specOf('many', { image: 'probe', labels: { 'com.openfaas.scale.min': '2' } }))
  await refuses('INVALID', ['volume', 'replicas is 2'], () => provider.apply(specOf('many', withVolume)))
})

if (isRoot) {
  test('a volume where the function cannot go is told with what to do', async () => {
    await using folders = await makeOpenFolders()
    await chmod(folders.root, 0o700)
    await using local = await startLocal(folders)
    await local.provider.apply(specOf('probe', withVolume))
    const told = await eventually('the reason', async () =>
      (await local.provider.get(refOf('probe')))?.conditions.find(({ message }) => message.includes('set data_dir')))
    assert.match(told.message, new RegExp(`${folders.root} is closed to all users but root`))
  })
}
