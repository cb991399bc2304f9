/** Compares what the scheduler has acknowledged, what it remembers, and what the target has seen. */
import { callService, type Target } from './service-call.ts'
import type { SchedulerTarget } from './scheduler-target.ts'

export type SchedulerFindings = {
  readonly acknowledged: number
  readonly calls: number
  /** Acknowledged, and not run to its end. */
  readonly lost: number
  /** Acknowledged with somebody to be told of the end, who never was. */
  readonly untold: number
  /** Calls of one run, or of a queue that allows one, at the same time. */
  readonly overlaps: number
  /** Results that are not those of the attempt that was the last to have the run, and numbers that went back. */
  readonly stale: number
  /** Called to the end more than once: at least once is what is promised. */
  readonly repeated: number
  /** Runs that a replica did not end. */
  readonly takenOver: number
  /** From the end of a call that broke to the next one of its run: half of them, and the longest. */
  readonly gapMs: { readonly median: number; readonly most: number }
  readonly details: readonly string[]
}

export type SchedulerLedger = { readonly data: Target; readonly target: SchedulerTarget; readonly acknowledged: readonly string[]; readonly toBeTold: ReadonlySet<string>; readonly tick: string }

export async function checkSchedulerLedger({ data, target, acknowledged, toBeTold, tick }: SchedulerLedger): Promise<SchedulerFindings> {
  const rows = await rowsOf(data, "SELECT r.job_id, r.state, r.fence, r.result, r.lapses FROM runs r WHERE r.kind = 'call' ORDER BY r.job_id")
  const runs = new Map(rows.map((row) => [String(row[0]), row]))
  const lost = acknowledged.filter((id) => runs.get(id)?.[1] !== 'succeeded' || !target.done.has(id))
  const untold = [...toBeTold].filter((id) => !target.told.has(id))
  const stale = rows.filter(([, state, fence, result]) => state === 'succeeded' && result !== `fence ${String(fence)}`)
  const repeated = acknowledged.filter((id) => (target.done.get(id) ?? 0) > 1)
  const ticks = rows.filter(([job]) => job === tick)
  if (ticks.filter(([, state]) => state === 'succeeded').length === 0) lost.push(tick)
  const gaps = [...target.gapsMs()].sort((a, b) => a - b)
  return {
    gapMs: { median: gaps[Math.floor(gaps.length / 2)] ?? NaN, most: gaps.at(-1) ?? NaN },
    acknowledged: acknowledged.length, calls: target.calls(), lost: lost.length, untold: untold.length, overlaps: target.overlaps().length, stale: stale.length + target.backwards().length,
    repeated: repeated.length, takenOver: rows.reduce((sum, row) => sum + Number(row[4]), 0),
    details: [
      ...lost.map((id) => `lost: ${id} ${JSON.stringify(runs.get(id))}`), ...untold.map((id) => `not told of: ${id}`), ...target.overlaps().map((one) => `at the same time: ${one}`),
      ...stale.map((row) => `stale: ${JSON.stringify(row)}`), ...target.backwards().map((one) => `backwards: ${one}`),
    ],
  }
}

/** All of them, in pages: a result has a limit. */
async function rowsOf(data: Target, sql: string): Promise<readonly (readonly unknown[])[]> {
  const rows: unknown[][] = []
  for (;;) {
    const reply = await callService(data, 'POST', '/v1/db/scheduler/query', { json: { sql: `${sql} LIMIT 5000 OFFSET ${rows.length}` } })
    if (reply?.status !== 200) throw new Error(`the data service does not answer: ${reply?.text}`)
    const page: unknown[][] = JSON.parse(reply.text).results[0].rows
    rows.push(...page)
    if (page.length < 5000) return rows
  }
}
