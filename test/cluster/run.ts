/**
 * `npm run test:cluster [-- PART…]`: starts one cluster, runs the suite's files on it one after another, each in a
 * process of its own, and ends the cluster. Arguments are parts of file names. With `--again` a file that fails is run
 * once more at the end: what passes then is told as unsteady, and counts. What is in `long/` takes minutes each, and runs
 * when it is named.
 */
import { spawn } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { cleanBeside, startCluster } from './cluster.ts'

/** Rolling updates under minutes of load; a file that takes longer hangs. */
const FILE_LIMIT_MS = 20 * 60_000

const isSecondTry = process.argv.includes('--again')
const wanted = process.argv.slice(2).filter((word) => word !== '--again')
const files = (await readdir(import.meta.dirname, { recursive: true }))
  .filter((file) => file.endsWith('.test.ts'))
  .filter((file) => wanted.length === 0 ? !file.startsWith('long/') : wanted.some((part) => file.includes(part)))
  .sort()

let passed = 0
let failed = 0
const ended = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => ended.abort())

if (files.length === 0) {
  console.error(`no test file matches ${wanted.join(' ')}`)
  failed++
} else {
  await runAll().catch((error: unknown) => {
    console.error(error)
    failed++
  })
}
if (ended.signal.aborted) {
  console.error('ended by a signal')
  failed++
}
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed > 0 ? 1 : 0

async function runAll(): Promise<void> {
  const startMs = Date.now()
  const again: string[] = []
  await using cluster = await startCluster()
  console.log(`cluster ${cluster.number} with ${cluster.nodes.join(', ')} is up after ${seconds(startMs)} s`)
  for (const file of files) {
    if (ended.signal.aborted) return
    if (!await runFile(file, cluster.number, isSecondTry)) again.push(file)
    await cleanBeside(cluster.number)
  }
  for (const file of again) {
    if (ended.signal.aborted) return
    console.log(`\nagain: ${file} (unsteady, if it passes)`)
    await runFile(file, cluster.number, false)
    await cleanBeside(cluster.number)
  }
}

/** Answers whether all is well, or counted as it is. */
async function runFile(file: string, shared: string, mayFail: boolean): Promise<boolean> {
  console.log(`\n${file}`)
  const startMs = Date.now()
  const { output, code } = await capture(file, shared)
  const count = [...output.matchAll(/^(\d+) passed, (\d+) failed$/gm)].at(-1)
  const good = Number(count?.[1] ?? 0)
  let bad = Number(count?.[2] ?? 0)
  if (bad === 0 && (code !== 0 || good === 0)) bad = 1
  const isCounted = bad === 0 || !mayFail
  if (isCounted) {
    passed += good
    failed += bad
  }
  console.log(`${bad === 0 ? 'ok  ' : 'FAIL'} ${file} in ${seconds(startMs)} s`)
  return isCounted
}

/** What it prints is shown as it comes, but for its own count: the last line of the suite is the sum. */
async function capture(file: string, shared: string): Promise<{ output: string; code: number | null }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, file)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, BRAMBLE_CLUSTER_SHARED: shared, NO_COLOR: '1' },
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
      process.stdout.write(text.replace(/^(\d+ passed, \d+ failed)$/gm, '  $1'))
    })
  }
  const stop = (): void => { child.kill('SIGKILL') }
  ended.signal.addEventListener('abort', stop)
  const timer = setTimeout(() => {
    console.log(`${file} took longer than ${FILE_LIMIT_MS / 60_000} minutes and was ended`)
    stop()
  }, FILE_LIMIT_MS)
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  clearTimeout(timer)
  ended.signal.removeEventListener('abort', stop)
  return { output, code }
}

function seconds(startMs: number): string {
  return ((Date.now() - startMs) / 1000).toFixed(1)
}
