/** Jobs on two replicas of the scheduler while they and the data service are killed in turns, and what became of every job that was acknowledged. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { eventually } from '../kit.ts'
import { createMortalFunction, type MortalFunction } from './mortal-function.ts'
import { checkSchedulerLedger, type SchedulerFindings } from './scheduler-ledger.ts'
import { startSchedulerTarget } from './scheduler-target.ts'
import { callService } from './service-call.ts'

export type SchedulerKillsPlan = {
  readonly rounds: number
  /** From the first answer on, at most; how long is chance. */
  readonly longestLifeMs: number
  readonly leaseMs: number
  readonly print: (line: string) => void
}

export type SchedulerKillsReport = SchedulerFindings & { readonly kills: number }

const CLIENTS = 4
const PATIENCE_MS = 120_000
/** One that is not answered comes again with its key. */
const RETRY_MS = 50

export async function schedulerKills({ rounds, longestLifeMs, leaseMs, print }: SchedulerKillsPlan): Promise<SchedulerKillsReport> {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-scheduler-kills-'))
  const token = randomBytes(24).toString('hex')
  for (const [name, value] of Object.entries({ 'service-token': token, 'webhook-key': randomBytes(24).toString('hex') })) await writeFile(join(folder, name), value)
  try {
    await using target = await startSchedulerTarget()
    await using data = await createMortalFunction('data', { secret_mount_path: folder, volume_path: join(folder, 'volume'), trust_folder: 'true' })
    const env = { secret_mount_path: folder, data_url: data.url, gateway_url: target.url, lease: `${leaseMs}ms`, look_every: '1s' }
    await using one = await createMortalFunction('scheduler', env)
    await using other = await createMortalFunction('scheduler', env)
    const replicas = [one, other]
    const acknowledged: string[] = []
    const toBeTold = new Set<string>()
    const tick = await acknowledge(replicas, token, 'tick', { target: { function: 'target', path: '/tick?key=tick&wait=300' }, cron: { pattern: '* * * * * *', overlap: 'skip' } })
    const single = await callService({ url: one.url, token }, 'PUT', '/v1/queues/single', { json: { concurrency: 1 } })
    if (single?.status !== 200) throw new Error(`no queue: ${single?.text}`)
    const victims: readonly (readonly [string, readonly MortalFunction[], number])[] = [
      ['one replica', [one], 0], ['data', [data], 0], ['the other replica', [other], 0], ['both replicas', [one, other], 0],
      // Longer than a lease: nobody can renew, and everybody has to hang up.
      ['data, for longer than a lease,', [data], leaseMs * 1.3], ['data and a replica', [data, one], 0],
    ]
    for (let round = 1; round <= rounds; round++) {
      const [who, dying, awayMs] = victims[(round - 1) % victims.length] ?? ['one replica', [one], 0]
      const load = startLoad({ replicas, token, name: `${round}`, leaseMs, acknowledged, toBeTold })
      const before = acknowledged.length
      await eventually('jobs are acknowledged', () => acknowledged.length > before, PATIENCE_MS)
      await pause(500 + Math.random() * longestLifeMs)
      await Promise.all(dying.map((victim) => victim.kill()))
      await pause(awayMs)
      await Promise.all(dying.map((victim) => victim.start()))
      await load.stop()
      print(`round ${round}, ${who} killed: ${acknowledged.length} jobs acknowledged, ${target.calls()} calls so far; ${target.overlaps().length} at the same time (goal 0)`)
    }
    await eventually('every job has ended', async () => {
      const reply = await callService({ url: data.url, token }, 'POST', '/v1/db/scheduler/query',
        { json: { sql: "SELECT COUNT(*) FROM runs r JOIN jobs j ON j.id = r.job_id WHERE r.state IN ('queued', 'running') AND j.cron IS NULL" } })
      return reply?.status === 200 && JSON.parse(reply.text).results[0].rows[0][0] === 0
    }, PATIENCE_MS)
    const findings = await checkSchedulerLedger({ data: { url: data.url, token }, target, acknowledged, toBeTold, tick })
    for (const line of findings.details.slice(0, 10)) print(line)
    return { ...findings, kills: rounds }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Sent to one replica, then to the other, until it is answered; its key makes it one job. Answers its id. */
async function acknowledge(replicas: readonly MortalFunction[], token: string, key: string, json: unknown): Promise<string> {
  for (let tries = 0; ; tries++) {
    const url = replicas[tries % replicas.length]?.url ?? ''
    const reply = await callService({ url, token }, 'POST', '/v1/jobs', { json, headers: { 'idempotency-key': key } })
    if (reply?.status === 201) return JSON.parse(reply.text).id
    if (reply !== undefined && ![0, 409, 429, 503].includes(reply.status)) throw new Error(`not made: ${reply.status} ${reply.text}`)
    await pause(RETRY_MS)
  }
}

type Load = {
  readonly replicas: readonly MortalFunction[]
  readonly token: string
  readonly name: string
  readonly leaseMs: number
  readonly acknowledged: string[]
  /** Those of them whose end somebody wants to be told of. */
  readonly toBeTold: Set<string>
}

function startLoad({ replicas, token, name, leaseMs, acknowledged, toBeTold }: Load) {
  let isOver = false
  const client = async (number: number): Promise<void> => {
    const turned = number % 2 === 0 ? replicas : [...replicas].reverse()
    for (let i = 0; !isOver; i++) {
      const isTold = i % 3 !== 2
      const id = await acknowledge(turned, token, `${name}-${number}-${i}`, { ...jobOf(i, leaseMs), ...(isTold && { on_complete: to('/told') }) })
      acknowledged.push(id)
      if (isTold) toBeTold.add(id)
      await pause(10)
    }
  }
  const clients = Promise.all(Array.from({ length: CLIENTS }, (_, number) => client(number)))
  return { async stop() { isOver = true; await clients } }
}

/** Short ones, one in a line, such that fail first, and a few that run for longer than a lease. */
function jobOf(i: number, leaseMs: number): object {
  const retry = { attempts: 5, first_wait_seconds: 0.2 }
  if (i % 25 === 7) return { queue: 'long', target: to(`/long?wait=${leaseMs * 1.5}`), retry }
  if (i % 10 === 3) return { queue: 'single', target: to('/single?key=single&wait=20'), retry }
  if (i % 10 === 6) return { queue: 'again', target: to('/again?first=503&wait=5'), retry }
  return { target: to(`/short?wait=${Math.floor(Math.random() * 60)}`), retry }
}

function to(path: string) {
  return { function: 'target', path }
}
