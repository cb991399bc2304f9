/**
 * The loop of a replica: keeps what has ended, looks at what there is, plans, takes runs and calls their targets, and sleeps until the
 * next moment at which something is due. What has ended and what is taken go into one transaction.
 */
import type { Log } from '@bramble/runtime'
import type { Database, Statement } from '@bramble/runtime/service/database'
import { claimStatements, takenIn } from '../store/claim.ts'
import { bareFinish, type Finish, finishStatements } from '../store/finish.ts'
import { type Look, look } from '../store/look.ts'
import { FULL_FOR_RESULTS, isFull, type Room } from '../store/room.ts'
import { takeOverStatements } from '../store/take-over.ts'
import type { AttemptDeps } from './attempt.ts'
import { createCallsUnderWay } from './calls-under-way.ts'
import { keepAtOnce } from './keep-at-once.ts'
import { createLeaseKeeper } from './keep-lease.ts'
import { createLease, leaseTimes } from './lease.ts'
import { createNeighbours } from './neighbours.ts'
import { planJobs } from './plan.ts'
import type { WorkerCounts } from './worker-counts.ts'

export type Worker = {
  start(): void
  /** Something may be due now. */
  wake(): void
  /** Ends the call of a run that was cancelled, if it is here. */
  cancel(runId: string): void
  running(): number
  /** Takes nothing more; calls that go on for longer than `graceMs` are given back. Resolves when all that can be kept is kept. */
  stop(graceMs: number): Promise<void>
}

export type WorkerDeps = {
  readonly db: Database
  readonly room: Room
  readonly attempts: Omit<AttemptDeps, 'nowMs' | 'random' | 'owner'>
  /** Another one for each process. */
  readonly owner: string
  readonly leaseMs: number
  readonly lookEveryMs: number
  readonly maxRunning: number
  readonly counts: WorkerCounts
  readonly log: Log
}

type Ended = { readonly finish: Finish; /** It may have been kept already: the answer was lost. */ isSentAgain: boolean }

const { AsyncResource } = process.getBuiltinModule('node:async_hooks')

/** While data does not answer. */
const FIRST_RETRY_MS = 200
const MAX_RETRY_MS = 5_000
/** Something was due and could not be taken: another replica was first, or is in the way. */
const NOTHING_TAKEN_MS = 1_000
/** Taken in one go: each with up to 160 KB of payload, headers and completion, in an answer of the data service that has 8 MiB. */
const MAX_TAKEN = 40
/** One job that makes up for 100 moments needs 101. */
const MAX_PLAN_STATEMENTS = 190
/** A timer that ends later than this counts wrong. */
const MAX_TIMER_MS = 2 ** 31 - 1

export function createWorker({ db, room, attempts, owner, leaseMs, lookEveryMs, maxRunning, counts, log }: WorkerDeps): Worker {
  const nowMs = (): number => performance.now()
  const times = leaseTimes(leaseMs)
  const lease = createLease(times, nowMs)
  const neighbours = createNeighbours(times)
  let ended: Ended[] = []
  const running = createCallsUnderWay({
    ...attempts, owner, nowMs, log, random: Math.random,
    onEnded(finish) {
      ended.push({ finish, isSentAgain: false })
      wake()
    },
  })
  let claims = 0
  let failures = 0
  let isOn = false
  let isStopping = false
  let isAskedAgain = false
  /** A transaction that took runs may have been carried out: they would wait for their lease. */
  let isInDoubt = false
  /** The last transaction found no room. */
  let isRoomWanted = false
  let cycling: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined

  const execute = async (statements: readonly Statement[]) => {
    counts.transactions++
    const results = await db.execute(statements)
    if (results === undefined) throw new Error('a transaction without conditions was refused')
    return results
  }

  const keeper = createLeaseKeeper({ owner, lease, renewEveryMs: times.renewEveryMs, running, execute, counts, log, nowMs })

  const keep = (batch: readonly Ended[], changes: readonly number[]): void => {
    for (const [i, { finish, isSentAgain }] of batch.entries()) {
      if (changes[i] === 0 && !isSentAgain) {
        counts.stale++
        log.warn('a result came too late: the run had been given to another replica', { run: finish.id, fence: finish.fence })
      } else counts.ended[finish.outcome.state]++
    }
  }

  /** Places for each queue; what does not divide goes to the first. */
  const share = (queues: readonly string[]): readonly { name: string; max: number }[] => {
    const free = Math.min(MAX_TAKEN, maxRunning - running.size())
    const names = [...new Set(queues)].slice(0, free)
    // Not always the same one first.
    const turned = names.map((_, i) => names[(i + claims) % names.length] ?? '')
    return turned.map((name, i) => ({ name, max: Math.floor(free / names.length) + (i < free % names.length ? 1 : 0) }))
  }

  const giveBackDoubtful = async (): Promise<void> => {
    if (!isInDoubt) return
    const known = JSON.stringify([...running.ids(), ...ended.map(({ finish }) => finish.id)])
    await execute([{
      sql: `UPDATE runs SET state = 'queued', owner = NULL, attempts = attempts - 1 WHERE state = 'running' AND owner = :owner
        AND id NOT IN (SELECT value FROM json_each(:known))`,
      parameters: { owner, known },
    }])
    isInDoubt = false
  }

  const takeOver = async ({ owners }: Look): Promise<boolean> => {
    const dead = neighbours.observe(owners, nowMs())
    if (dead.length === 0) return false
    const results = await execute(dead.flatMap(({ owner: who, beat }) => takeOverStatements(who, beat)))
    const lapsed = results.reduce((sum, { changes }, i) => sum + (i % 2 === 1 ? changes : 0), 0)
    counts.takenOver += lapsed
    if (lapsed > 0) log.warn('runs of a replica that is not heard of are taken over', { runs: lapsed, replicas: dead.map(({ owner: who }) => who) })
    return true
  }

  /** Answers how long nothing will be due; 0: go on at once. */
  const cycle = async (): Promise<number> => {
    keeper.check()
    const isBare = isRoomWanted && await room.make() > FULL_FOR_RESULTS
    await giveBackDoubtful()
    // Ends go first where there is hardly any room: what would begin needs some, too.
    const isTaking = !isStopping && !(isBare && ended.length > 0) && running.size() < maxRunning
    let seen = isTaking ? await look(db, owner) : undefined
    counts.looks += isTaking ? 1 : 0
    if (seen !== undefined && await takeOver(seen)) seen = await look(db, owner)
    const plan = seen !== undefined && seen.dueJobs.length > 0 ? await planJobs(db, seen.dueJobs, seen.now, MAX_PLAN_STATEMENTS) : { statements: [], queues: [] }
    const queues = share(seen === undefined ? [] : [...seen.queues, ...plan.queues])
    const batch = keepAtOnce(ended)
    const statements = batch.map(({ finish }) => finishStatements(isBare ? bareFinish(finish) : finish))
    const claim = `${owner}.${++claims}`
    const all = [...statements.flat(), ...plan.statements,
      ...(queues.length > 0 ? claimStatements({ owner, claim, beat: lease.nextBeat(), queues }) : [])]
    if (all.length > 0) {
      const sentMs = nowMs()
      try {
        const results = await execute(all)
        isRoomWanted = false
        if (isBare && batch.length > 0) log.warn('the database is full: runs have ended without result and log', { runs: batch.length })
        let at = 0
        keep(batch, statements.map((list) => {
          const changes = results[at]?.changes ?? 0
          at += list.length
          return changes
        }))
        if (queues.length > 0) {
          lease.renewed(sentMs)
          const taken = takenIn(results.at(-1))
          if (!lease.isValid()) {
            // The answer took so long that others may have begun to take over: nothing is begun on it.
            isInDoubt = true
            return 0
          }
          for (const run of taken) {
            counts.begun++
            counts.lateMs += Math.max(0, run.started_at - run.next_at)
            running.begin(run)
          }
          keeper.check()
          keeper.renewLater()
          // What is left over may be due, too: results let dependents go, another queue had no place.
          if (taken.length === 0 && batch.length === 0) return Math.min(NOTHING_TAKEN_MS, sleepMs(seen))
        }
      } catch (error) {
        for (const one of batch) one.isSentAgain = true
        ended = [...batch, ...ended]
        isRoomWanted = isFull(error)
        isInDoubt ||= queues.length > 0 && !isRoomWanted
        throw error
      }
      return 0
    }
    return sleepMs(seen)
  }

  const sleepMs = (seen: Look | undefined): number => {
    // All places are taken: whoever ends wakes.
    if (seen === undefined) return MAX_TIMER_MS
    const neighbourMs = neighbours.dueInMs(nowMs())
    return Math.min(lookEveryMs, seen.nextMs === null ? Infinity : Math.max(1, seen.nextMs - seen.now),
      neighbourMs === undefined ? Infinity : Math.min(times.watchEveryMs, Math.max(1, neighbourMs)))
  }

  // Whoever wakes it is no part of what it does then: the log would name his call.
  const wake = AsyncResource.bind((): void => {
    if (!isOn) return
    clearTimeout(timer)
    if (cycling !== undefined) {
      isAskedAgain = true
      return
    }
    isAskedAgain = false
    cycling = cycle().then((ms) => {
      failures = 0
      return ms
    }, (error: unknown) => {
      log.warn('the data service did not do what the scheduler needs', { error })
      isAskedAgain = false
      return Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** failures++)
    }).then((ms) => {
      cycling = undefined
      if (!isOn) return
      if (isAskedAgain || ms === 0) wake()
      else timer = setTimeout(wake, Math.min(ms, MAX_TIMER_MS))
    })
  })

  return {
    start() {
      if (isOn) return
      isOn = true
      wake()
    },
    wake,
    cancel(runId) {
      running.get(runId)?.end('cancelled')
    },
    running: running.size,
    async stop(graceMs) {
      isStopping = true
      const untilMs = nowMs() + graceMs
      const isLeft = (): boolean => running.size() > 0 || ended.length > 0 || cycling !== undefined
      let isEnding = false
      while (isLeft() && nowMs() < untilMs + graceMs) {
        if (!isEnding && nowMs() >= untilMs) {
          isEnding = true
          running.endAll('stopping')
        }
        await new Promise((resolve) => setTimeout(resolve, STOP_STEP_MS))
      }
      isOn = false
      clearTimeout(timer)
      keeper.stop()
    },
  }
}

/** How often a worker that is stopping looks whether it has. */
const STOP_STEP_MS = 20
