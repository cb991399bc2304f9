/** What is kept of a job, and its parser: the file is outside data like any other. */
import type { RunOutcome } from '../openfaas/cron-status.ts'

export type LastRun = {
  readonly dueMs: number
  readonly startedMs: number
  readonly endedMs?: number
  readonly outcome: RunOutcome
  readonly status?: number
  readonly error?: string
}

export type JobRecord = {
  /** The job's. */
  readonly id: string
  /** When it was seen first: where `@every` counts from. */
  readonly anchorMs: number
  /** All runs due up to here have begun, or been left out. */
  readonly doneMs: number
  readonly last?: LastRun
  readonly skippedMs?: number
}

/** Throws what makes it unreadable. A run that had not ended never will. */
export function parseRecords(json: unknown): readonly JobRecord[] {
  const { version, jobs } = fields(json)
  if (version !== 1) throw new Error(`version ${String(version)} is not known`)
  if (!Array.isArray(jobs)) throw new Error('jobs is no list')
  return jobs.map((job: unknown) => {
    const { id, anchorMs, doneMs, last, skippedMs } = fields(job)
    if (typeof id !== 'string') throw new Error('id is no text')
    return {
      id, anchorMs: number(anchorMs, 'anchorMs'), doneMs: number(doneMs, 'doneMs'),
      ...(last === undefined ? {} : { last: parseRun(last) }),
      ...(skippedMs === undefined ? {} : { skippedMs: number(skippedMs, 'skippedMs') }),
    }
  })
}

function parseRun(json: unknown): LastRun {
  const { dueMs, startedMs, endedMs, outcome, status, error } = fields(json)
  const known = (['ok', 'failed', 'interrupted'] as const).find((one) => one === outcome)
  if (known === undefined && outcome !== 'running') throw new Error('outcome is not known')
  return {
    dueMs: number(dueMs, 'dueMs'), startedMs: number(startedMs, 'startedMs'), outcome: known ?? 'interrupted',
    ...(endedMs === undefined ? {} : { endedMs: number(endedMs, 'endedMs') }),
    ...(status === undefined ? {} : { status: number(status, 'status') }),
    ...(typeof error === 'string' ? { error } : {}),
  }
}

function fields(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) throw new Error('it is no object')
  return Object.fromEntries(Object.entries(value))
}

function number(value: unknown, name: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new Error(`${name} is no number`)
  return value
}
