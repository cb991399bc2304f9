/** The memory limit, and what is measured. */
import * as assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createProcesses } from '../../../platform/provider/local/processes.ts'
import { eventually, test } from '../../kit.ts'
import { ask } from '../data-path.ts'
import { writeBundle } from '../probe-function.ts'
import { refOf, specOf } from '../spec-of.ts'
import { makeFolders, startLocal } from '../world.ts'

test('a replica above its memory limit is ended and replaced, and both the log and the status say why', async () => {
  await using folders = await makeFolders()
  await writeBundle(folders.functionsDir, 'probe')
  await using local = await startLocal(folders, { settings: { meterEveryMs: 50 } })
  await local.provider.apply(specOf('probe', { limits: { memory: '64Mi' } }))
  const [endpoint] = await local.path.ready('probe')
  assert.ok(endpoint)
  await ask(endpoint, '/buffers?mib=20')
  assert.deepEqual(local.path.endpoints('probe'), [endpoint], 'below the limit nothing happens')
  await ask(endpoint, '/buffers?mib=60').catch(() => undefined)
  await eventually('another replica', () => local.path.endpoints('probe').length === 1 && local.path.endpoints('probe')[0] !== endpoint)
  const condition = (await local.provider.get(refOf('probe')))?.conditions[0]
  assert.equal(condition?.reason, 'OutOfMemory')
  assert.match(condition.message, /ran out of memory \(OOM\): it used \d+\.\dMi of 64Mi; raise limits.memory/)
  const line = local.lines.find(({ cause }) => cause === 'out-of-memory')
  assert.match(String(line?.['reason']), /OOM.*Mi of 64Mi/)
})

test('what a replica started counts for its limit', async () => {
  await using folders = await makeFolders()
  await writeBundle(folders.functionsDir, 'probe')
  await using local = await startLocal(folders, { settings: { meterEveryMs: 50 } })
  await local.provider.apply(specOf('probe', { limits: { memory: '48Mi' } }))
  const [endpoint] = await local.path.ready('probe')
  assert.ok(endpoint)
  for (let index = 0; index < 6; index++) await ask(endpoint, '/child').catch(() => undefined)
  await eventually('it is ended', () => local.lines.some(({ cause }) => cause === 'out-of-memory'))
})

test('V8 gets most of the limit, and a full heap is told as running out of memory', async () => {
  await using folders = await makeFolders()
  await writeBundle(folders.functionsDir, 'probe')
  await using local = await startLocal(folders, { settings: { meterEveryMs: 60_000 } })
  await local.provider.apply(specOf('probe', { limits: { memory: '64Mi' } }))
  const [endpoint] = await local.path.ready('probe')
  assert.ok(endpoint)
  ask(endpoint, '/heap').catch(() => undefined)
  const condition = await eventually('it is told', async () =>
    (await local.provider.get(refOf('probe')))?.conditions.find(({ reason }) => reason === 'OutOfMemory'))
  assert.match(condition.message, /its heap is full \(OOM\)/)
  await local.path.ready('probe')
})

test('usage is of the time since it was last measured, not of a whole life', async () => {
  await using folders = await makeFolders()
  await writeBundle(folders.functionsDir, 'probe')
  await using local = await startLocal(folders, { settings: { meterEveryMs: 100 } })
  await local.provider.apply(specOf('probe'))
  const [endpoint] = await local.path.ready('probe')
  assert.ok(endpoint)
  const usage = async () => (await local.provider.get(refOf('probe'), { withUsage: true }))?.usage
  await ask(endpoint, '/burn?ms=500')
  await eventually('it rests', async () => (await usage())?.cpu === 0)
  await ask(endpoint, '/buffers?mib=50')
  const bytes = (await usage())?.totalMemoryBytes ?? 0
  assert.ok(bytes > 50 * 2 ** 20 && bytes < 120 * 2 ** 20, `${bytes} bytes`)
})

for (const platform of ['linux', 'darwin'] as const) {
  test(`processes are measured, recognised and found by their environment as on ${platform}`, async () => {
    const processes = createProcesses(platform)
    const mark = `${process.pid}-${Date.now()}`
    const child = spawn(process.execPath, ['-e', 'const b = Buffer.alloc(40 * 2 ** 20, 1); while (process.cpuUsage().user < 1.2e6); console.log(b.length); setInterval(() => {}, 1000)'],
      { detached: true, stdio: ['ignore', 'pipe', 'ignore'], env: { MARK: mark } })
    try {
      const pid = child.pid ?? 0
      await once(child.stdout, 'data')
      const usage = (await processes.usage([pid, 999_999_999])).get(pid)
      assert.ok(usage && usage.memoryBytes > 40 * 2 ** 20 && usage.memoryBytes < 200 * 2 ** 20, JSON.stringify(usage))
      assert.ok(usage.cpuMs >= 900 && usage.cpuMs < 60_000, JSON.stringify(usage))
      assert.deepEqual((await processes.usage([999_999_999])).get(999_999_999), { memoryBytes: 0, cpuMs: 0 })
      assert.deepEqual(await processes.groupsWith(`MARK=${mark}`), [pid])
      assert.deepEqual(await processes.groupsWith(`MARK=${mark.slice(0, -1)}`), [], 'the whole value counts')
      const identity = await processes.identity(pid)
      assert.ok(identity)
      assert.equal(await processes.identity(pid), identity)
      child.kill('SIGKILL')
      await once(child, 'exit')
      assert.equal(await processes.identity(pid), undefined)
    } finally {
      child.kill('SIGKILL')
    }
  })
}
