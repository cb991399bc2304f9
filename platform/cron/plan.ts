/** Which runs a function has asked for, out of its annotations. Pure. */
import { BrambleError } from '../lib/errors.ts'
import { readCronPolicy, scheduleOf, type CronPolicy } from '../openfaas/cron-policy.ts'
import { serviceName } from '../openfaas/names.ts'
import type { FunctionRef, FunctionSpec } from '../openfaas/types.ts'
import { parseSchedule, type Schedule } from './schedule.ts'

export type Job = CronPolicy & {
  /** The same as long as function, expression and time zone are. */
  readonly id: string
  readonly ref: FunctionRef
  readonly schedule: Schedule
}

/** Expressions of one function. */
const MAX_SCHEDULES = 100

/** Several expressions are separated by `;`. `INVALID` names the annotation, and the place in it. */
export function planJobs(spec: Pick<FunctionSpec, 'name' | 'namespace' | 'annotations'>): readonly Job[] {
  const { name, namespace, annotations } = spec
  const text = scheduleOf(annotations)
  if (text === undefined) return []
  const ref: FunctionRef = { name, namespace }
  const policy = readCronPolicy(annotations)
  const jobs = new Map<string, Job>()
  for (const { part, at } of split(text)) {
    const id = `${serviceName(ref)} ${part} ${policy.timezone}`
    jobs.set(id, { ...policy, id, ref, schedule: parseSchedule(part, at, policy.timezone) })
    if (jobs.size > MAX_SCHEDULES) throw new BrambleError('INVALID', `annotation schedule has more than ${MAX_SCHEDULES} expressions`)
  }
  return [...jobs.values()]
}

/** How much later than its moment a run begins: always the same for the same run, so that a restart repeats none. */
export function jitterOfRun({ id, jitterMs }: Job, dueMs: number): number {
  if (jitterMs === 0) return 0
  // Source: FNV-1a, 32 bits.
  let hash = 0x811c9dc5
  for (const char of `${id} ${dueMs}`) hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193)
  return (hash >>> 0) % (jitterMs + 1)
}

function split(text: string): { part: string; at: number }[] {
  let start = 0
  return text.split(';').flatMap((piece) => {
    const at = start + piece.length - piece.trimStart().length + 1
    start += piece.length + 1
    return piece.trim() === '' ? [] : [{ part: piece.trim(), at }]
  })
}
