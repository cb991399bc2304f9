/**
 * The only way to declare a test. uvu runs them; this file closes its holes: it calls `run()` itself, has no hooks
 * (use `await using`), turns thrown non-Errors into Errors, gives each test a time limit, ends a process that a
 * forgotten server keeps alive, and prints `N passed, N failed` on a line of its own.
 */
import { suite } from 'uvu'

/** For what hangs, not for what is slow: a starved machine takes ten times as long as this one. */
const DEFAULT_TIMEOUT_MS = 120_000
/** How long handles may take to close after the last test. */
const EXIT_GRACE_MS = 10_000
/** How long a condition may take to come true. */
const EVENTUALLY_MS = 60_000

let passed = 0
let failed = 0
let isScheduled = false
let isRunning = false
const tests = suite(process.argv[1]?.replace(/^.*\/test\//, '') ?? 'tests')

export type TestOptions = { readonly timeoutMs?: number }

/** Declares a test; `name` is a sentence about behaviour. */
export function test(name: string, body: () => void | Promise<void>, options: TestOptions = {}): void {
  if (isRunning) throw new Error(`test "${name}" was declared after the run began: declare tests before any await`)
  if (!isScheduled) {
    isScheduled = true
    setImmediate(() => { isRunning = true; tests.run() })
    process.on('exit', summarize)
  }
  tests(name, async () => {
    try {
      await withDeadline(Promise.resolve().then(body), options.timeoutMs ?? DEFAULT_TIMEOUT_MS, `test "${name}"`)
      passed++
    } catch (error) {
      failed++
      throw error instanceof Error ? error : new Error(`thrown: ${String(error)}`, { cause: error })
    } finally {
      if (passed + failed === declared) endSoon()
    }
  })
  declared++
}
let declared = 0

/** One test per case; the case's `name` completes the sentence. */
export function cases<T extends { readonly name: string }>(
  prefix: string, list: readonly T[], body: (one: T) => void | Promise<void>, options: TestOptions = {},
): void {
  for (const one of list) test(`${prefix}: ${one.name}`, () => body(one), options)
}

/** Waits until `condition` gives something truthy and answers it; fails with `what` after the deadline. */
export async function eventually<T>(
  what: string, condition: () => T | Promise<T>, timeoutMs = EVENTUALLY_MS,
): Promise<NonNullable<Exclude<T, false | 0 | ''>>> {
  const deadline = Date.now() + timeoutMs
  for (let waitMs = 1; ; waitMs = Math.min(waitMs * 2, 50)) {
    const result = await condition()
    if (result) return result as NonNullable<Exclude<T, false | 0 | ''>>
    if (Date.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, waitMs))
  }
}

export async function withDeadline<T>(promise: Promise<T>, timeoutMs: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${timeoutMs} ms`)), timeoutMs)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

function endSoon(): void {
  setTimeout(() => {
    const counts = Map.groupBy(process.getActiveResourcesInfo(), (kind) => kind)
    console.error(`something was left open: ${Array.from(counts, ([kind, all]) => `${all.length} ${kind}`).join(', ')}`)
    failed++
    process.exit(1)
  }, EXIT_GRACE_MS).unref()
}

function summarize(code: number): void {
  const missing = declared - passed - failed
  const broken = failed + missing + (code !== 0 && failed + missing === 0 ? 1 : 0)
  if (broken > 0) process.exitCode = 1
  console.log(`\n${passed} passed, ${broken} failed`)
}
