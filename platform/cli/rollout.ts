/** Deploying a function, and knowing when the new version serves. */
import { setTimeout as delay } from 'node:timers/promises'
import { BrambleError } from '../lib/errors.ts'
import type { DeploymentBody } from '../stack/deployment.ts'
import { failure, type Client } from './client.ts'
import { formatDuration } from './duration.ts'
import { readStatus, type Condition, type Status } from './status.ts'

/** A Pi Zero that fetches an image first takes a while. */
export const DEFAULT_WAIT_MS = 60_000

const FIRST_POLL_MS = 10
const SLOWEST_POLL_MS = 250

type Ref = { readonly name: string; readonly namespace: string | undefined }

/** PUT, and POST where there is none yet, as faas-cli does. */
export async function deploy(client: Client, body: DeploymentBody): Promise<'created' | 'updated'> {
  const updated = await client.system('PUT', '/system/functions', { json: body })
  if (isAccepted(updated.status)) return 'updated'
  if (updated.status !== 404) throw failure(updated)
  const created = await client.system('POST', '/system/functions', { json: body })
  if (!isAccepted(created.status)) throw failure(created)
  return 'created'
}

/** 204 is none: other gateways answer it for things they do not know. */
export function isAccepted(status: number): boolean {
  return status === 200 || status === 201 || status === 202
}

/**
 * Waits until as many replicas as are asked for serve the newest version. Throws with the last lines of the log when
 * the gateway says that it failed, or after the deadline. `signal` ends the waiting early.
 */
export async function waitUntilReady(
  client: Client, ref: Ref, options: { readonly timeoutMs?: number | undefined; readonly signal?: AbortSignal | undefined } = {},
): Promise<Status> {
  const timeoutMs = options.timeoutMs ?? DEFAULT_WAIT_MS
  const deadline = Date.now() + timeoutMs
  for (let pauseMs = FIRST_POLL_MS; ; pauseMs = Math.min(pauseMs * 2, SLOWEST_POLL_MS)) {
    const status = await readStatus(client, ref, false)
    if (status === undefined) throw new BrambleError('NOT_FOUND', `function ${ref.name} has been removed meanwhile`)
    const fatal = status.conditions.find(isFatal)
    if (fatal) throw new BrambleError('UPSTREAM', inWords(ref.name, fatal))
    if (isReady(status)) return status
    if (Date.now() > deadline) {
      const [condition] = status.conditions
      throw new BrambleError('TIMEOUT', condition ? inWords(ref.name, condition)
        : `function ${ref.name} is not ready after ${formatDuration(timeoutMs)}: ${status.availableReplicas} of ${status.replicas} replicas serve`)
    }
    await delay(pauseMs, undefined, { ...(options.signal ? { signal: options.signal } : {}) })
  }
}

function isReady(status: Status): boolean {
  return status.conditions.length === 0 && status.availableReplicas >= status.replicas
}

/** What time alone does not repair; `Starting` and `NotReady` may still become ready. */
function isFatal({ reason }: Condition): boolean {
  return reason !== 'Starting' && reason !== 'NotReady'
}

/** `hello: UpdateFailed: …`, and what the replica wrote last, indented. */
export function inWords(name: string, { reason, message, lastLines }: Condition): string {
  return [`${name}: ${reason}: ${message}`, ...lastLines.map((line) => `    ${line.trimEnd()}`)].join('\n')
}
