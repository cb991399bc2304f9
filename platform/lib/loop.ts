/** Does something again and again, never twice at a time; what it throws is told, and it goes on. */
import type { Part } from './parts.ts'

export type LoopOptions = {
  /** From the end of one round to the beginning of the next. */
  readonly everyMs: number
  readonly round: () => Promise<void> | void
  readonly onError: (error: unknown) => void
}

/** `stop` waits for the round that is under way. */
export function createLoop({ everyMs, round, onError }: LoopOptions): Part {
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined
  let isOn = false

  const run = async (): Promise<void> => {
    try {
      await round()
    } catch (error) {
      onError(error)
    }
    if (isOn) timer = setTimeout(() => { running = run() }, everyMs)
  }

  return {
    async start() {
      if (isOn) return
      isOn = true
      running = run()
    },
    async stop() {
      isOn = false
      clearTimeout(timer)
      await running
    },
  }
}
