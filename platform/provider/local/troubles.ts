/** Counts the ends of replicas that nobody asked for, per revision, and says when the next start is due. */
import { backoffMs } from '../../lib/backoff.ts'
import type { Exit } from './exit.ts'
import type { Settings } from './settings.ts'

/** What is known of one revision's unwanted ends. */
export type Trouble = {
  /** Ends in a row, with no replica stable in between. */
  readonly failures: number
  /** Those of them that came before the replica was ready. */
  readonly startFailures: number
  /** Ends in a row because somebody else had the port. */
  readonly portTries: number
  readonly last: Exit
  readonly lastAtMs: number
  readonly restartAtMs: number
}

export type Troubles = {
  of(revision: string): Trouble | undefined
  note(revision: string, exit: Exit, wasReady: boolean): Trouble
  /** One of its replicas has been ready for long: counting starts anew. */
  calm(revision: string): void
  forget(revision: string): void
  /** Forgets all others. */
  keepOnly(revisions: readonly string[]): void
  /** How long until a replica of this revision may be started. */
  waitMs(revision: string): number
}

type TroubleSettings = Pick<Settings, 'maxPortTries' | 'restartFirstMs' | 'restartMaxMs'>

export function createTroubles(settings: TroubleSettings, nowMs: () => number): Troubles {
  const all = new Map<string, Trouble>()

  return {
    of: (revision) => all.get(revision),
    note(revision, exit, wasReady) {
      const before = all.get(revision) ?? { failures: 0, startFailures: 0, portTries: 0 }
      // Bad luck, not a fault of the function: another port is tried at once.
      const isPort = exit.cause === 'port-taken' && before.portTries < settings.maxPortTries
      const failures = before.failures + (isPort ? 0 : 1)
      const trouble: Trouble = {
        failures,
        startFailures: before.startFailures + (isPort || wasReady ? 0 : 1),
        portTries: isPort ? before.portTries + 1 : 0,
        last: exit,
        lastAtMs: nowMs(),
        restartAtMs: nowMs() + backoffMs(failures, { firstMs: settings.restartFirstMs, maxMs: settings.restartMaxMs }),
      }
      all.set(revision, trouble)
      return trouble
    },
    calm(revision) {
      const trouble = all.get(revision)
      if (trouble) all.set(revision, { ...trouble, failures: 0, startFailures: 0, portTries: 0 })
    },
    forget(revision) { all.delete(revision) },
    keepOnly(revisions) {
      for (const one of all.keys()) if (!revisions.includes(one)) all.delete(one)
    },
    waitMs: (revision) => Math.max(0, (all.get(revision)?.restartAtMs ?? 0) - nowMs()),
  }
}
