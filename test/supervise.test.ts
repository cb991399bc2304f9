/** The first process of the control container, with a program of a few lines in the place of the platform. */
import * as assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually, test } from './kit.ts'

const WAITS = `process.on('SIGTERM', () => { console.log('bye'); process.exit(0) }); setInterval(() => {}, 1e6); console.log('up', process.pid)`

async function start(program: string, wellMs: number) {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-supervise-'))
  await writeFile(join(folder, 'index.mjs'), program)
  const module = JSON.stringify(join(import.meta.dirname, '../platform/supervise.ts'))
  await writeFile(join(folder, 'first.mjs'), `import { supervise } from ${module}\nsupervise(${JSON.stringify(join(folder, 'index.mjs'))}, ${wellMs})\n`)
  const child = spawn(process.execPath, [join(folder, 'first.mjs')], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exit = once(child, 'close')
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => { output += chunk.toString() })
  return {
    child, exit,
    output: () => output,
    pids: () => [...output.matchAll(/up (\d+)/g)].map(([, pid]) => Number(pid)),
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      await exit
      await rm(folder, { recursive: true })
    },
  }
}

test('a program that dies is started again, and told to stop when the container is', async () => {
  await using first = await start(WAITS, 0)
  const [one = 0] = await eventually('it is up', () => first.pids().length === 1 && first.pids())
  process.kill(one, 'SIGKILL')
  await eventually('another one is up', () => first.pids().length === 2)
  assert.equal(first.child.exitCode, null)
  first.child.kill('SIGTERM')
  await first.exit
  assert.equal(first.child.exitCode, 0)
  assert.match(first.output(), /bye/)
})

test('a program that does not start takes its container with it', async () => {
  await using first = await start('process.exit(7)', 60_000)
  await first.exit
  assert.equal(first.child.exitCode, 7)
})
