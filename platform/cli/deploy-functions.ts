/** Deploys functions of a stack file side by side, and tells when each one serves. */
import { BrambleError, reasonOf } from '../lib/errors.ts'
import { type DeploymentBody, readDeployment } from '../stack/deployment.ts'
import type { StackFunction } from '../stack/parse-stack.ts'
import type { StackFile } from '../stack/read-stack.ts'
import type { Client } from './client.ts'
import type { Io } from './command.ts'
import { formatDuration } from './duration.ts'
import { commandsForMissing, makeMissingSecrets } from './missing-secrets.ts'
import { projectRoot } from './project.ts'
import { deploy, waitUntilReady } from './rollout.ts'
import { functionUrl } from './target.ts'
import { paint, tell } from './terminal.ts'

export type Deployed = {
  readonly name: string
  readonly url: string
  readonly isReady: boolean
}

export type DeployOptions = {
  readonly namespace?: string | undefined
  readonly timeoutMs?: number | undefined
  /** Make the secrets that are missing, where any text will do. */
  readonly makesSecrets?: boolean | undefined
  /** Ends the waiting; nothing is told after it. */
  readonly signal?: AbortSignal | undefined
}

/** What faas-cli would send for this function. */
export function deploymentOf(stack: StackFile, one: StackFunction, namespace: string | undefined): Promise<DeploymentBody> {
  return readDeployment(stack, one, { namespace, templateHomes: [projectRoot()] })
}

/** One failing does not keep the others back. In the order of `functions`. */
export async function deployFunctions(
  io: Io, client: Client, stack: StackFile, functions: readonly StackFunction[], options: DeployOptions = {},
): Promise<readonly Deployed[]> {
  if (options.makesSecrets) await makeMissingSecrets(io, client, functions, options)
  return Promise.all(functions.map(async (one): Promise<Deployed> => {
    const ref = { name: one.name, namespace: options.namespace || one.namespace }
    const url = functionUrl(client.url, ref)
    const startedAt = performance.now()
    try {
      const how = await deploy(client, await deploymentOf(stack, one, options.namespace))
      const status = await waitUntilReady(client, ref, { timeoutMs: options.timeoutMs, signal: options.signal })
      const state = status.replicas === 0 ? 'asleep until it is called' : `ready after ${formatDuration(performance.now() - startedAt)}`
      tell(io, `${one.name}: ${paint(io, 'green', `${how}, ${state}`)}  ${url}`)
      return { name: one.name, url, isReady: true }
    } catch (error) {
      if (!options.signal?.aborted) {
        const commands = await commandsForMissing(client, one, options).catch(() => [])
        // In one piece: others tell of themselves meanwhile.
        tell(io, [paint(io, 'red', inOneVoice(one.name, error)), ...commands.map((command) => `    make it with: ${command}`)].join('\n'))
      }
      return { name: one.name, url, isReady: false }
    }
  }))
}

function inOneVoice(name: string, error: unknown): string {
  const reason = error instanceof BrambleError || error instanceof Error ? error.message : reasonOf(error)
  return reason.startsWith(`${name}:`) ? reason : `${name}: ${reason}`
}
