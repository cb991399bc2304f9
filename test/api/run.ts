/**
 * Fuzzes the services from their own descriptions (`npm run test:api [-- NAME…]`): schemathesis calls each operation with what
 * its schemas allow and with what they do not, and compares every answer with them. It lives in a virtual environment of its own,
 * made by the first run. `api_seconds` is the time for each service, `api_seed` a number that makes other calls.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { services } from './services.ts'

const here = import.meta.dirname
const seconds = Number(process.env['api_seconds'] ?? 60)
const seed = process.env['api_seed'] ?? '1'
/** Beyond its own time: start, and finding the smallest call that shows a failure. */
const SPARE_MS = 180_000
/** Longer than a caller may wait for a value of the cache. */
const PATIENCE_SECONDS = 40
/** It shows bodies of megabytes. */
const LINE_LENGTH = 1000

/** Answers the exit code. */
function run(command: string, words: readonly string[], timeoutMs: number): Promise<number | null> {
  return new Promise((resolve, reject) => {
    // What the fuzzer remembers of a run lies there: nothing of it is for the next one.
    const child = spawn(command, words, {
      cwd: scratch, timeout: timeoutMs, stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, SCHEMATHESIS_HOOKS: join(here, 'hooks.py'), PYTHONDONTWRITEBYTECODE: '1' },
    })
    createInterface({ input: child.stdout }).on('line', (line) => {
      console.log(line.length <= LINE_LENGTH ? line : `${line.slice(0, LINE_LENGTH)}…`)
    })
    child.on('error', reject).on('close', resolve)
  })
}

/** Answers the program; made once for each list of packages. */
async function install(): Promise<string> {
  const requirements = join(here, 'requirements.txt')
  const id = createHash('sha256').update(await readFile(requirements)).digest('hex').slice(0, 12)
  const folder = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'bramble', `schemathesis-${id}`)
  const program = join(folder, 'bin', 'schemathesis')
  const done = join(folder, 'complete')
  if (await stat(done).then(() => true, () => false)) return program
  const steps: readonly (readonly [string, readonly string[]])[] = [
    ['python3', ['-m', 'venv', '--clear', folder]],
    [join(folder, 'bin', 'pip'), ['install', '--quiet', '--disable-pip-version-check', '--requirement', requirements]],
    ['touch', [done]],
  ]
  for (const [command, words] of steps) {
    const code = await run(command, words, SPARE_MS).catch((error: unknown) => String(error))
    if (code !== 0) throw new Error(`${command} ${words.join(' ')} ended with ${code}: this needs Python 3 with venv`)
  }
  return program
}

async function fuzz(program: string, name: string): Promise<boolean> {
  const start = services[name]
  if (start === undefined) throw new Error(`there is no service ${name}: ${Object.keys(services).join(', ')}`)
  await using service = await start()
  const headers = Object.entries(service.headers).flatMap(([key, value]) => ['--header', `${key}: ${value}`])
  const code = await run(program, [
    '--config-file', join(here, 'schemathesis.toml'), 'run', `${service.url}/openapi.json`, '--url', service.url, ...headers,
    '--seed', seed, '--max-time', String(seconds), '--request-timeout', String(PATIENCE_SECONDS), '--no-color', '--warnings', 'off', '--suppress-health-check', 'all',
  ], seconds * 1000 + SPARE_MS)
  const errors = service.errors()
  for (const error of errors.slice(0, 5)) console.error(error)
  return code === 0 && errors.length === 0
}

const wanted = process.argv.slice(2)
const scratch = await mkdtemp(join(tmpdir(), 'bramble-api-'))
const names = wanted.length > 0 ? wanted : Object.keys(services)
let passed = 0
const program = await install()
for (const name of names) {
  console.log(`== ${name}`)
  const isGood = await fuzz(program, name)
  console.log(`${isGood ? 'ok  ' : 'FAIL'} ${name}`)
  if (isGood) passed++
}
await rm(scratch, { recursive: true, force: true })
console.log(`${passed} passed, ${names.length - passed} failed`)
process.exitCode = passed === names.length ? 0 : 1
