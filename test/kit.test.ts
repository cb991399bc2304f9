import * as assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cases, test } from './kit.ts'

const kit = join(import.meta.dirname, 'kit.ts')

cases('a broken test file ends red', [
  { name: 'a throw of a non-Error', body: `test('x', () => { throw 'text' }); test('y', () => {})`, says: '1 passed, 1 failed' },
  { name: 'a rejected promise', body: `test('x', async () => { throw new Error('no') })`, says: '0 passed, 1 failed' },
  { name: 'a test that never ends', body: `test('x', () => new Promise(() => {}), { timeoutMs: 50 })`, says: '0 passed, 1 failed' },
  { name: 'a server left open', body: `test('x', () => { setInterval(() => {}, 1000) })`, says: '1 passed, 1 failed' },
  { name: 'a process that ends in the middle', body: `test('x', () => { process.exit(0) })`, says: '0 passed, 1 failed' },
  { name: 'an unhandled rejection beside the test', body: `test('x', () => { Promise.reject(new Error('lost')) })`, says: 'failed' },
  { name: 'a test declared too late', body: `test('x', () => { setTimeout(() => test('y', () => {})) })`, says: '1 passed, 1 failed' },
], ({ body, says }) => {
  const { status, stdout } = runFile(body)
  assert.equal(status, 1)
  assert.match(stdout, new RegExp(says))
})

test('a good file ends green with its count', () => {
  const { status, stdout } = runFile(`test('x', () => {}); test('y', async () => {})`)
  assert.equal(status, 0)
  assert.match(stdout, /^2 passed, 0 failed$/m)
})

function runFile(body: string): { status: number | null; stdout: string } {
  const folder = mkdtempSync(join(import.meta.dirname, '.kit-'))
  try {
    const file = join(folder, 'one.test.ts')
    writeFileSync(file, `import { test } from ${JSON.stringify(kit)}\n${body}\n`)
    const { status, stdout } = spawnSync(process.execPath, [file], { encoding: 'utf8', timeout: 100_000 })
    return { status, stdout }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
