/**
 * Finds out that a board has gone silent: long before Kubernetes does, and before any time limit of a call. A replica
 * that has calls but sends nothing is asked for a connection, which its kernel answers even when its program is busy.
 * While that fails it gets no new calls; those it has go on, as it may only be a stall of the network.
 */
import { connect } from 'node:net'
import type { Log } from '../lib/log.ts'
import type { Part } from '../lib/parts.ts'
import type { Replica, Target } from './table.ts'

export type SilenceWatchOptions = { readonly targets: () => Iterable<Target>; readonly log: Log }

/** How often it looks. */
const LOOK_EVERY_MS = 250
/** So many looks without a byte from a replica that has calls, and it is asked. */
const QUIET_LOOKS = 2
/** After an answer it is left alone for so many looks more. */
const REST_LOOKS = 2
/** With the looks before it: a board whose cable is pulled gets no new call after two seconds. */
const ANSWER_WITHIN_MS = 750
/** Silent for so long, its calls are given up: those that may be repeated are sent elsewhere. */
const GIVE_UP_MS = 10_000

type State = { heard: number; quietLooks: number; isAsked: boolean; silentSinceMs: number | undefined }

export function createSilenceWatch({ targets, log }: SilenceWatchOptions): Part {
  const states = new WeakMap<Replica, State>()
  /** Also those that have left their route since, as long as they have calls. */
  const silent = new Map<Replica, Target>()
  let timer: NodeJS.Timeout | undefined

  const look = (target: Target, replica: Replica): void => {
    const state = states.get(replica) ?? { heard: -1, quietLooks: 0, isAsked: false, silentSinceMs: undefined }
    states.set(replica, state)
    if (state.heard !== replica.heard) {
      state.heard = replica.heard
      state.quietLooks = 0
      return speak(target, replica, state)
    }
    if (++state.quietLooks < QUIET_LOOKS || state.isAsked) return
    state.isAsked = true
    ask(replica, (hasAnswered) => {
      state.isAsked = false
      state.quietLooks = hasAnswered ? -REST_LOOKS : QUIET_LOOKS
      if (hasAnswered) speak(target, replica, state)
      else fallSilent(target, replica, state)
    })
  }

  const speak = (target: Target, replica: Replica, state: State): void => {
    if (!replica.isSilent) return
    log.info('replica is heard again', { function: target.series.name, instance: replica.endpoint.instance })
    replica.isSilent = false
    state.silentSinceMs = undefined
    silent.delete(replica)
  }

  const fallSilent = (target: Target, replica: Replica, state: State): void => {
    const nowMs = performance.now()
    if (!replica.isSilent) {
      log.warn('replica does not answer; it gets no calls until it does', { function: target.series.name, instance: replica.endpoint.instance })
      replica.isSilent = true
      silent.set(replica, target)
      state.silentSinceMs = nowMs
    }
    if (nowMs - (state.silentSinceMs ?? nowMs) < GIVE_UP_MS) return
    replica.cut?.(new Error(`its board has been silent for ${GIVE_UP_MS / 1000} s`))
  }

  return {
    async start() {
      timer ??= setInterval(() => {
        for (const target of targets()) {
          for (const replica of target.replicas) if (replica.inFlight > 0 && !replica.isSilent) look(target, replica)
        }
        for (const [replica, target] of silent) {
          if (replica.isDraining && replica.inFlight === 0) silent.delete(replica)
          else look(target, replica)
        }
      }, LOOK_EVERY_MS)
    },
    async stop() {
      clearInterval(timer)
      timer = undefined
      silent.clear()
    },
  }
}

function ask({ endpoint: { host, port } }: Replica, onEnd: (hasAnswered: boolean) => void): void {
  const socket = connect({ host, port })
  const end = (hasAnswered: boolean): void => {
    socket.removeAllListeners().on('error', () => undefined).destroy()
    onEnd(hasAnswered)
  }
  socket.setTimeout(ANSWER_WITHIN_MS, () => end(false))
  socket.once('connect', () => end(true))
  // A refusal is an answer too, of the board; that its program is gone the next call finds out.
  socket.once('error', (error) => end('code' in error && error.code === 'ECONNREFUSED'))
}
