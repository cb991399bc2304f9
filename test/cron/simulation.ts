/** Schedules in simulated time: a clock that the test moves, a disk in memory, functions that take as long as they say. */
import type { CallFunction } from '../../platform/cron/call.ts'
import { createCron, type Cron } from '../../platform/cron/cron.ts'
import { createHistory, type HistoryFiles } from '../../platform/cron/history.ts'
import type { Clock } from '../../platform/lib/clock.ts'
import { createLog } from '../../platform/lib/log.ts'
import { parseDeployment } from '../../platform/openfaas/parse.ts'
import type { FunctionSpec } from '../../platform/openfaas/types.ts'
import type { RouteChange } from '../../platform/provider/provider.ts'

export type Made = { readonly name: string; readonly schedule: string; readonly dueMs: number; readonly atMs: number }

export type Simulation = {
  readonly made: Made[]
  readonly specs: FunctionSpec[]
  /** What the functions answer, and after how long. */
  status: number
  callMs: (name: string) => number
  /** The provider cannot be asked. */
  isDown: boolean
  nowMs(): number
  cron(): Cron
  start(): Promise<void>
  /** Ends it at once: nothing more is called, written or answered. */
  kill(): void
  /** Ends it in an orderly way. */
  stop(): Promise<void>
  /** Lets the time pass, and everything happen that happens in it. */
  pass(ms: number): Promise<void>
  /** The clock shows something else from now on, though no time has passed. */
  jump(ms: number): void
  deploy(spec: FunctionSpec): void
  remove(name: string): void
}

export const HOUR_MS = 3_600_000

export function functionOf(name: string, annotations: Readonly<Record<string, string>>): FunctionSpec {
  return parseDeployment({ service: name, image: `test/${name}`, annotations: { topic: 'cron-function', ...annotations } })
}

/** All that waits for nothing but the processor is done. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
}

export function createSimulation(specs: FunctionSpec[], start: string): Simulation {
  /** Time that passes, and what the clock shows beyond it. */
  let passedMs = 0
  let shownMs = Date.parse(start)
  let timers: { atMs: number; run: () => void }[] = []
  const disk = new Map<string, string>()
  const watchers = new Set<(change: RouteChange) => void>()
  let life: { isOver: boolean; cron: Cron; stop: () => Promise<void> } | undefined

  const begin = async (): Promise<void> => {
    const mine = { isOver: false }
    const never = new Promise<never>(() => undefined)
    const clock: Clock = {
      nowMs: () => shownMs,
      after(ms, run) {
        const timer = { atMs: passedMs + ms, run: () => { if (!mine.isOver) run() } }
        timers.push(timer)
        return () => { timers = timers.filter((one) => one !== timer) }
      },
    }
    const files: HistoryFiles = {
      async read(path) {
        const text = disk.get(path)
        if (text === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' })
        return Buffer.from(text)
      },
      write: async (path, data) => { if (mine.isOver) return never; disk.set(path, data.toString()) },
      sync: async () => { if (mine.isOver) return never },
      async rename(from, to) {
        if (mine.isOver) return never
        disk.set(to, disk.get(from) ?? '')
        disk.delete(from)
      },
    }
    const log = createLog({ write: () => undefined })
    const history = createHistory({ files, path: '/data/cron.json', clock, log })
    const call: CallFunction = ({ ref, schedule }, dueMs) => {
      if (mine.isOver) return never
      world.made.push({ name: ref.name, schedule: schedule.text, dueMs, atMs: shownMs })
      return new Promise((resolve) => clock.after(world.callMs(ref.name), () => resolve(world.status)))
    }
    const cron = createCron({
      provider: {
        watch(listener) {
          watchers.add(listener)
          for (const spec of specs) listener({ ref: spec, route: { ref: spec, replicas: 1, endpoints: [] } })
          return () => { watchers.delete(listener) }
        },
        namespaces: { list: async () => [{ name: 'openfaas-fn', labels: {}, annotations: {} }] },
        list: async () => world.isDown ? Promise.reject(new Error('the API is down')) : specs.map((spec) => ({ spec, replicas: 1, availableReplicas: 1, createdAt: new Date(0), conditions: [] })),
      },
      history, call, clock, log,
    })
    life = {
      get isOver() { return mine.isOver },
      set isOver(isOver) { mine.isOver = isOver },
      cron,
      async stop() {
        await cron.stop()
        await history.stop()
      },
    }
    await cron.start()
    await settle()
  }

  const world: Simulation = {
    made: [], specs, status: 200, callMs: () => 0, isDown: false,
    nowMs: () => shownMs,
    cron() {
      if (life === undefined) throw new Error('it is not running')
      return life.cron
    },
    start: begin,
    kill() {
      if (life) life.isOver = true
      life = undefined
    },
    async stop() {
      await life?.stop()
      world.kill()
    },
    async pass(ms) {
      const untilMs = passedMs + ms
      for (;;) {
        const next = timers.filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0]
        const stepMs = Math.max(0, (next?.atMs ?? untilMs) - passedMs)
        passedMs += stepMs
        shownMs += stepMs
        if (next === undefined) return
        timers = timers.filter((one) => one !== next)
        next.run()
        await settle()
      }
    },
    jump(ms) { shownMs += ms },
    deploy(spec) {
      specs.push(spec)
      for (const watcher of watchers) watcher({ ref: spec, route: { ref: spec, replicas: 1, endpoints: [] } })
    },
    remove(name) {
      const [spec] = specs.splice(specs.findIndex((one) => one.name === name), 1)
      if (spec) for (const watcher of watchers) watcher({ ref: spec, route: undefined })
    },
  }
  return world
}
