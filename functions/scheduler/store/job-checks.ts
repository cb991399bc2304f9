/** What is well formed and wrong all the same: targets that are not allowed, patterns without a meaning, too much of something. */
import { Problem } from '@bramble/runtime/service/problem'
import type { Deps } from '../deps.ts'
import { MAX_HEADERS, MAX_PAYLOAD_BYTES, type StoredCron } from '../http/shapes.ts'
import { nextStart } from '../schedule/due.ts'
import { readPattern } from '../schedule/pattern.ts'
import type { Target } from '../target/allow-list.ts'

/** What the connection, or the scheduler itself, says. */
const OWN_HEADERS = /^(?:host|connection|content-length|transfer-encoding|te|trailer|upgrade|keep-alive|proxy-.*|expect|x-scheduler-.*|x-call-id|idempotency-key)$/i

export function refuse(path: string, detail: string, code = 'invalid'): Problem {
  return new Problem(422, code, `${path === '' ? 'the job' : path.slice(1)} ${detail}`, { errors: [{ in: 'body', path, detail }] })
}

export type Checked = {
  readonly target: Target
  readonly on_complete?: Target | undefined
  readonly headers: Readonly<Record<string, string>>
  readonly payload?: unknown
}

export function checkTargets({ allowList, hasWebhookKey }: Deps, { target, on_complete: onComplete, headers, payload }: Checked): void {
  for (const [path, one] of [['/target', target], ['/on_complete', onComplete]] as const) {
    const refusal = one === undefined ? undefined : allowList.refusal(one)
    if (refusal !== undefined) throw refuse(path, `is refused: ${refusal}`, 'target_not_allowed')
  }
  if (onComplete !== undefined && !hasWebhookKey) throw refuse('/on_complete', 'needs the secret webhook-key of this service')
  const names = Object.keys(headers)
  if (names.length > MAX_HEADERS) throw refuse('/headers', `has more than ${MAX_HEADERS}`)
  const own = names.find((name) => OWN_HEADERS.test(name))
  if (own !== undefined) throw refuse(`/headers/${own.replaceAll('~', '~0').replaceAll('/', '~1')}`, 'is set by the scheduler')
  if (new Set(names.map((name) => name.toLowerCase())).size < names.length) throw refuse('/headers', 'has a name twice')
  if (payload !== undefined && Buffer.byteLength(JSON.stringify(payload)) > MAX_PAYLOAD_BYTES) throw refuse('/payload', `is larger than ${MAX_PAYLOAD_BYTES} bytes`)
}

/** When it begins first. */
export function checkCron(id: string, cron: StoredCron, path: string, nowMs: number): { readonly startMs: number | undefined } {
  const pattern = readPattern(cron.pattern, cron.timezone)
  if (typeof pattern === 'string') throw refuse(`${path}/pattern`, `makes no sense: ${pattern}`)
  return { startMs: nextStart({ id, pattern, catchUp: cron.catch_up, jitterMs: cron.jitter_seconds * 1000 }, nowMs) }
}
