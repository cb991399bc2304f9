/** Kills a process that enqueues and dispatches at random moments, again and again, and counts what became of its calls. */
import { spawn } from 'node:child_process'
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
  const acknowledged = new Set<string>()
  let problem = ''
  let killed = 0

  const begin = (first: number) => {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'kill-child.ts'), folder.path, url, String(first), String(calls - first)], { stdio: ['ignore', 'pipe', 'pipe'] })
    let isAll = false
    let rest = ''
    child.stdout.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        if (line === 'all') isAll = true
        else acknowledged.add(line)
      }
    })
    child.stderr.on('data', (chunk: Buffer) => {
      // A torn end is what a kill leaves.
      for (const line of chunk.toString().split('\n')) if (line.includes('"level":"error"')) problem = line
    })
    const closed = new Promise<void>((resolve) => child.on('close', () => resolve()))
    return { child, closed, isAll: () => isAll }
  }
  /** Numbers are never used again: the next process begins where this one cannot have come. */
  const nextNumber = (): number => Math.max(-1, ...[...acknowledged].map(Number), ...[...executed.keys()].map(Number)) + 1 + 20

  try {
    for (; killed < kills && acknowledged.size < calls; killed++) {
      const before = acknowledged.size
      const { child, closed } = begin(killed === 0 ? 0 : nextNumber())
      await eventually('the process begins to work', () => acknowledged.size > before || child.exitCode !== null, 30_000)
      await new Promise((resolve) => setTimeout(resolve, Math.random() * longestLifeMs))
      child.kill('SIGKILL')
      await closed
    }
    const last = begin(nextNumber())
    try {
      await eventually('all is enqueued', last.isAll, drainTimeoutMs)
      await eventually('all is executed', () => [...acknowledged].every((id) => executed.has(id)), drainTimeoutMs).catch(() => undefined)
    } finally {
      last.child.kill('SIGKILL')
      await last.closed
    }
  } finally {
    server.close()
    server.closeAllConnections()
  }
  if (problem !== '') throw new Error(problem)
  return {
    acknowledged: acknowledged.size,
    lost: [...acknowledged].filter((id) => !executed.has(id)),
    duplicates: [...executed.values()].reduce((sum, times) => sum + times - 1, 0),
    unacknowledged: [...executed.keys()].filter((id) => !acknowledged.has(id)).length,
    outOfOrder,
    kills: killed,
  }
}
