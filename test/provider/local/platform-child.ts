/** Starts `platform-process.ts` and listens to it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Endpoint } from '../../../platform/provider/provider.ts'
import { eventually } from '../../kit.ts'
import { ask } from '../data-path.ts'
import type { Folders } from '../world.ts'

export type PlatformChild = AsyncDisposable & {
  readonly pid: number
  /** Why it did not start, if so. */
  refusal(): Promise<string>
  /** The process ids of a function's replicas, once there are so many. */
  replicaPids(name: string, count?: number): Promise<readonly number[]>
  /** Waits until the deployments are acknowledged. */
  applied(): Promise<void>
  kill(signal: NodeJS.Signals): Promise<void>
}

type Said = { readonly name?: string; readonly endpoints?: readonly Endpoint[]; readonly refused?: string; readonly applied?: unknown }

export function startPlatformChild(folders: Folders, ...names: readonly string[]): PlatformChild {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'platform-process.ts'), folders.dataDir, folders.functionsDir, ...names],
    { stdio: ['ignore', 'pipe', 'pipe'] })
  child.stderr.resume()
  const exited = once(child, 'exit')
  const said: Said[] = []
  createInterface(child.stdout).on('line', (line) => said.push(JSON.parse(line)))
  const kill = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal)
    await exited
  }
  return {
    pid: child.pid ?? 0,
    refusal: () => eventually('the refusal', () => said.find(({ refused }) => refused !== undefined)?.refused),
    async replicaPids(name, count = 1) {
      const endpoints = await eventually(`${count} replicas of ${name}`, () => {
        const last = said.findLast((one) => one.name === name)?.endpoints
        return last?.length === count && last
      })
      return Promise.all(endpoints.map(async (endpoint) => Number(await ask(endpoint, '/pid'))))
    },
    async applied() { await eventually('the deployments', () => said.some((one) => one.applied !== undefined)) },
    kill,
    async [Symbol.asyncDispose]() { if (child.exitCode === null && child.signalCode === null) await kill('SIGTERM') },
  }
}
