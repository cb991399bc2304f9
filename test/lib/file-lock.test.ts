import * as assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFileLock } from '../../platform/lib/file-lock.ts'
import { eventually, test } from '../kit.ts'

const holder = `
const { createFileLock } = await import(${JSON.stringify(join(import.meta.dirname, '../../platform/lib/file-lock.ts'))})
console.log(createFileLock(process.argv[1]).tryAcquire())
setInterval(() => {}, 1000)`

test('one holds it at a time, and the next one gets it when it is released', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-lock-'))
  const [a, b] = [createFileLock(join(folder, 'new', 'lock')), createFileLock(join(folder, 'new', 'lock'))]
  assert.deepEqual([a.tryAcquire(), b.tryAcquire(), a.tryAcquire()], [true, false, true])
  a.release()
  assert.deepEqual([b.tryAcquire(), a.tryAcquire()], [true, false])
  b.release()
  b.release()
  await rm(folder, { recursive: true })
})

test('a holder that is killed has it no longer', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-lock-'))
  const child = spawn(process.execPath, ['--input-type=module', '-e', holder, join(folder, 'lock')], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [said] = await once(child.stdout, 'data')
  assert.equal(String(said).trim(), 'true')
  const lock = createFileLock(join(folder, 'lock'))
  assert.equal(lock.tryAcquire(), false)
  child.kill('SIGKILL')
  await eventually('it is ours', () => lock.tryAcquire())
  lock.release()
  await rm(folder, { recursive: true })
})

test('a folder that cannot be written is told', () => {
  assert.throws(() => createFileLock('/dev/null/lock').tryAcquire(), /ENOTDIR|EEXIST/)
})
