/** A function that is killed and started again, on the same port with the same environment, as the platform would. */
import { rm } from 'node:fs/promises'
import { eventually } from '../kit.ts'
import { bundleFunction, type LogLine, spawnFunction } from '../start-function.ts'

export type MortalFunction = AsyncDisposable & {
  readonly url: string
  pid(): number
  /** Of all its processes so far. */
  logs(): readonly LogLine[]
  /** SIGKILL, and it is gone. */
  kill(): Promise<void>
  /** Ready when it answers. */
  start(): Promise<void>
}

/** Bundled once, and started. */
export async function createMortalFunction(name: string, env: Readonly<Record<string, string>>): Promise<MortalFunction> {
  const bundle = await bundleFunction(name)
  const before: LogLine[] = []
  let port = '0'
  let life: ReturnType<typeof spawnFunction> | undefined

  const start = async (): Promise<void> => {
    const started = spawnFunction(bundle, { ...env, port })
    life = started
    const ready = await eventually(`function ${name} is ready`, () => {
      const { exitCode, signalCode } = started.child
      if (exitCode !== null || signalCode !== null) throw new Error(`function ${name} ended with ${exitCode ?? signalCode}: ${JSON.stringify(started.logs())}`)
      return started.logs().find(({ message }) => message === 'ready')
    })
    port = String(ready['port'])
  }
  const kill = async (): Promise<void> => {
    if (life === undefined) return
    const { child, exit, logs } = life
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`function ${name} ended by itself: ${JSON.stringify(logs().slice(-5))}`)
    child.kill('SIGKILL')
    await exit
    before.push(...logs())
    life = undefined
  }
  const dispose = async (): Promise<void> => {
    life?.child.kill('SIGKILL')
    await life?.exit
    await rm(bundle, { recursive: true, force: true })
  }
  await start().catch(async (error: unknown) => {
    await dispose()
    throw error
  })
  return {
    get url() { return `http://127.0.0.1:${port}` },
    pid: () => life?.child.pid ?? 0,
    logs: () => [...before, ...life?.logs() ?? []],
    kill, start,
    [Symbol.asyncDispose]: dispose,
  }
}
