/** Kills a process that enqueues and dispatches at random moments, again and again, and counts what became of its calls. */
import { spawn } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { eventually } from '../kit.ts'
import { makeFolder } from './world.ts'

export type KillOptions = { readonly calls: number; readonly kills: number; readonly longestLifeMs: number; readonly drainTimeoutMs: number }

export type KillResult = {
  readonly acknowledged: number
  /** Acknowledged, and never executed. */
  readonly lost: readonly string[]
  /** Executions beyond the first one. */
  readonly duplicates: number
  /** Executed, though nobody was told that they were accepted. */
  readonly unacknowledged: number
  /** First executions that came before one with a lower number of the same function. */
  readonly outOfOrder: number
  readonly kills: number
}

/** In the child, at the same time. */
const CALLERS = 20

export async function killRounds({ calls, kills, longestLifeMs, drainTimeoutMs }: KillOptions): Promise<KillResult> {
  await using folder = await makeFolder()
  const executed = new Map<string, number>()
  const lastOf = new Map<string, number>()
  let outOfOrder = 0
  const server = createServer((req, res) => {
    const callId = String(req.headers['x-call-id'])
    const service = req.url ?? ''
    if (!executed.has(callId)) {
      if (Number(callId) < (lastOf.get(service) ?? -1)) outOfOrder++
      lastOf.set(service, Math.max(Number(callId), lastOf.get(service) ?? -1))
    }
    executed.set(callId, (executed.get(callId) ?? 0) + 1)
    req.resume().on('end', () => res.end('done'))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  let killed = 0

  const file = join(folder.path, 'acknowledged')
  await writeFile(file, '')
  /** What the processes have said so far; the last line may be cut off. */
  const readAcknowledged = async (): Promise<{ readonly ids: ReadonlySet<string>; readonly isAll: boolean }> => {
    const ids = new Set((await readFile(file, 'utf8')).split('\n').slice(0, -1))
    return { isAll: ids.delete('all'), ids }
  }
  const begin = (first: number) => {
    const child = spawn(process.execPath, [
      join(import.meta.dirname, 'kill-child.ts'), join(folder.path, 'data'), file, url, String(first), String(calls - first),
    ], { stdio: ['ignore', 'inherit', 'pipe'] })
    let words = ''
    // A warning tells of a torn end, which is what a kill leaves.
    child.stderr.on('data', (chunk: Buffer) => { words += chunk.toString() })
    const closed = new Promise<void>((resolve) => child.on('close', () => resolve()))
    /** It does not end by itself, and nothing is damaged. */
    const check = (): true => {
      if (child.exitCode !== null || words.includes('"level":"error"')) throw new Error(`the process ended with ${child.exitCode}: ${words}`)
      return true
    }
    return { child, closed, check }
  }
  /** Numbers are never used again: the next process begins where this one cannot have come. */
  const nextNumber = async (): Promise<number> => {
    let last = -1
    for (const id of (await readAcknowledged()).ids) last = Math.max(last, Number(id))
    for (const id of executed.keys()) last = Math.max(last, Number(id))
    return last + 1 + CALLERS
  }

  try {
    // A quick machine takes all calls in fewer lives.
    for (let first = 0; killed < kills && first < calls; first = await nextNumber()) {
      const before = (await readAcknowledged()).ids.size
      const { child, closed, check } = begin(first)
      try {
        await eventually('the process begins to work', async () => check() && (await readAcknowledged()).ids.size > before, 30_000)
        await new Promise((resolve) => setTimeout(resolve, Math.random() * longestLifeMs))
        check()
      } finally {
        child.kill('SIGKILL')
        await closed
      }
      killed++
    }
    const last = begin(await nextNumber())
    try {
      await eventually('all is enqueued', async () => last.check() && (await readAcknowledged()).isAll, drainTimeoutMs)
      const { ids } = await readAcknowledged()
      await eventually('all is executed', () => last.check() && ids.isSubsetOf(executed), drainTimeoutMs).catch(() => undefined)
    } finally {
      last.child.kill('SIGKILL')
      await last.closed
    }
  } finally {
    server.close()
    server.closeAllConnections()
  }
  const { ids } = await readAcknowledged()
  return {
    acknowledged: ids.size,
    lost: [...ids].filter((id) => !executed.has(id)),
    duplicates: [...executed.values()].reduce((sum, times) => sum + times - 1, 0),
    unacknowledged: [...executed.keys()].filter((id) => !ids.has(id)).length,
    outOfOrder,
    kills: killed,
  }
}
