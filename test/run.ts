/**
 * Runs test files, each in a process of its own, and adds up what they say. A file that ends without a count, with
 * no test, or after its time limit is a failure. Arguments are parts of file names: `node test/run.ts local stack`.
 * What a file leaves out it says on a line that begins with `skipped: `, which is shown.
 * With `--again` a file that fails is run once more at the end, alone: what passes then is told as unsteady, and counts.
 */
import { spawn } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'

const FILE_LIMIT_MS = 900_000
/** How long a process that a file has left behind may hold its output. */
const ORPHANS_MS = 10_000
const MAX_OUTPUT_BYTES = 1_000_000
/** Suites with runners of their own, or with needs of their own: those run when named, as in `node test/run.ts image-host/`. */
const elsewhere = ['bench', 'soak', 'cluster', 'browser', 'fixtures', 'image-host']

const here = import.meta.dirname
const isSecondTry = process.argv.includes('--again')
const wanted = process.argv.slice(2).filter((word) => word !== '--again')
const left = elsewhere.filter((folder) => !wanted.some((part) => part.startsWith(`${folder}/`)))
const files = (await readdir(here, { recursive: true }))
  .filter((file) => file.endsWith('.test.ts') && !left.some((folder) => file.startsWith(`${folder}/`)))
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
  .sort()

let passed = 0
let failed = 0
const again: string[] = []
const queue = [...files]
await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, async () => {
  for (let file = queue.shift(); file !== undefined; file = queue.shift()) await runFile(file, isSecondTry)
}))
for (const file of again) {
  console.log(`again, alone: ${file} (unsteady, if it passes)`)
  await runFile(file, false)
}
if (files.length === 0) {
  console.error(`no test file matches ${wanted.join(' ')}`)
  failed++
}
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed > 0 ? 1 : 0

async function runFile(file: string, mayFail: boolean): Promise<void> {
  const startedAt = Date.now()
  const { output, code } = await capture(file)
  const count = [...output.matchAll(/^(\d+) passed, (\d+) failed$/gm)].at(-1)
  const good = Number(count?.[1] ?? 0)
  let bad = Number(count?.[2] ?? 0)
  if (bad === 0 && (code !== 0 || good === 0)) bad = 1
  if (bad > 0 && mayFail) {
    again.push(file)
  } else {
    passed += good
    failed += bad
  }
  const seconds = ((Date.now() - startedAt) / 1000).toFixed(1)
  console.log(`${bad === 0 ? 'ok  ' : 'FAIL'} ${file} (${good} passed, ${bad} failed; ${seconds} s)`.replace(/\((\d+) passed, 0 failed;/, '($1;'))
  for (const [line] of output.matchAll(/^skipped: .*$/gm)) console.log(`     ${line}`)
  if (bad > 0) console.log(output.replace(/^(\d+ passed, \d+ failed)$/gm, '  $1'))
}

async function capture(file: string): Promise<{ output: string; code: number | null }> {
  const child = spawn(process.execPath, [join(here, file)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1' },
  })
  let output = ''
  const add = (chunk: Buffer): void => {
    if (output.length < MAX_OUTPUT_BYTES) output += chunk.toString()
  }
  child.stdout.on('data', add)
  child.stderr.on('data', add)
  const timer = setTimeout(() => {
    output += `\n${file} took longer than ${FILE_LIMIT_MS / 1000} s and was ended\n`
    child.kill('SIGKILL')
  }, FILE_LIMIT_MS)
  return new Promise((resolve) => {
    let orphans: NodeJS.Timeout | undefined
    child.on('exit', () => {
      clearTimeout(timer)
      orphans = setTimeout(() => {
        for (const stream of [child.stdout, child.stderr]) stream.destroy()
        resolve({ output: `${output}\n${file} has ended, and a process that it began has not\n`, code: 1 })
      }, ORPHANS_MS)
    })
    child.on('close', (code) => {
      clearTimeout(orphans)
      resolve({ output, code })
    })
  })
}
