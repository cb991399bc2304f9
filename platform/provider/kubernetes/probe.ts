/** Asks a starting replica itself whether it serves, every few milliseconds: Kubernetes says so half a second later. */
import { request } from 'node:http'

export type ProbeTarget = {
  readonly host: string
  readonly port: number
  /** From the function's annotations; absent means the paths of the watchdogs. */
  readonly path: string | undefined
}

export type Prober = {
  /** Calls back once, when it serves. Returns the way to stop. */
  watch(target: ProbeTarget, onServing: () => void): () => void
  /** Once. */
  ask(target: ProbeTarget): Promise<boolean>
  stop(): void
}

const READY_PATH = '/_/ready'
const HEALTH_PATH = '/_/health'
/** We want to know within 20 ms of the first listening. */
const FIRST_INTERVAL_MS = 8
/** After a start that takes longer than this nobody notices a quarter of a second. */
const EAGER_MS = 5_000
const LATER_INTERVAL_MS = 250
/** So much of the time of one core many that start at once may cost together: a question takes a tenth of a millisecond. */
const SPACING_MS = 1
/** A lost first packet is sent again after a second by the system, which is too late. */
const CONNECT_TIMEOUT_MS = 250
/** A loaded Zero 2W takes its time to answer once it is connected. */
const ANSWER_TIMEOUT_MS = 2_000

export function createProber(): Prober {
  const watching = new Set<() => void>()

  return {
    watch({ host, port, path }, onServing) {
      const beganAt = performance.now()
      let timer: NodeJS.Timeout | undefined
      let isOver = false
      const end = (): void => {
        isOver = true
        clearTimeout(timer)
        watching.delete(end)
      }
      const next = async (): Promise<void> => {
        const isServing = await serves({ host, port, path })
        if (isOver) return
        if (isServing) {
          end()
          onServing()
          return
        }
        const isEager = performance.now() - beganAt < EAGER_MS
        timer = setTimeout(next, isEager ? Math.max(FIRST_INTERVAL_MS, watching.size * SPACING_MS) : LATER_INTERVAL_MS)
      }
      watching.add(end)
      void next()
      return end
    },
    ask: serves,
    stop() {
      for (const end of watching) end()
    },
  }
}

/**
 * A path of its own must answer 2xx or 3xx. Without one HEAD `/_/ready` decides: our runtime answers it, while a program
 * that takes any path for a call of the function (the classic watchdog) is not called by HEAD. Whoever refuses that is
 * asked for `/_/health`; and one that knows neither serves because it listens.
 */
export async function serves({ host, port, path }: ProbeTarget): Promise<boolean> {
  if (path !== undefined) return isGood(await ask(host, port, 'GET', path))
  const ready = await ask(host, port, 'HEAD', READY_PATH)
  if (ready !== 404 && ready !== 405 && ready !== 501) return isGood(ready)
  const health = await ask(host, port, 'GET', HEALTH_PATH)
  return health === 404 || isGood(health)
}

function isGood(status: number): boolean {
  return status >= 200 && status < 400
}

/** The status; 0 when there is no answer. */
function ask(host: string, port: number, method: string, path: string): Promise<number> {
  return new Promise((resolve) => {
    const call = request({ host, port, method, path, agent: false, headers: { 'user-agent': 'bramble-probe', connection: 'close' } })
    const giveUp = (): void => {
      resolve(0)
      call.destroy()
    }
    let timer = setTimeout(giveUp, CONNECT_TIMEOUT_MS)
    call.on('socket', (socket) => socket.once('connect', () => {
      clearTimeout(timer)
      timer = setTimeout(giveUp, ANSWER_TIMEOUT_MS)
    }))
    call.on('response', (response) => {
      resolve(response.statusCode ?? 0)
      response.resume()
    })
    call.on('error', () => resolve(0))
    call.on('close', () => clearTimeout(timer))
    call.end()
  })
}
