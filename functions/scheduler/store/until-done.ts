/** Somebody else came between the look and the change; more often than this it is no accident. */
import { Problem } from '@bramble/runtime/service/problem'

const MAX_TRIES = 10

/** Repeats a look and the change that depends on it. `attempt` answers `undefined` when it has changed nothing because somebody came in between. */
export async function untilDone<T>(what: string, attempt: () => Promise<T | undefined>): Promise<T> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const done = await attempt()
    if (done !== undefined) return done
  }
  throw new Problem(409, 'conflict', `${what} changes too often at once: try again`)
}
