/**
 * Secrets that functions name and the gateway does not have. Some may be any random text, and a function says of which that is
 * so: annotation `bramble/generated-secrets`, names separated by commas. One may be the gateway's own `user:password`, for a function that
 * asks the platform itself: `bramble/gateway-login-secret`.
 */
import { randomBytes } from 'node:crypto'
import type { StackFunction } from '../stack/parse-stack.ts'
import { failure, type Client } from './client.ts'
import type { Io } from './command.ts'
import { isAccepted } from './rollout.ts'
import { parseJson } from './status.ts'
import { paint, tell } from './terminal.ts'

const ANNOTATION = 'bramble/generated-secrets'
const LOGIN_ANNOTATION = 'bramble/gateway-login-secret'
/** What a gateway without a password is told: it does not look. */
const NO_LOGIN = 'none:none'
const RANDOM_BYTES = 32

export type Place = { readonly namespace?: string | undefined }

/** Nobody can guess it, and every shell and header takes it. */
export function randomSecret(): string {
  return randomBytes(RANDOM_BYTES).toString('hex')
}

export async function listSecrets(client: Client, namespace: string | undefined): Promise<readonly string[]> {
  const reply = await client.system('GET', '/system/secrets', { query: { namespace } })
  if (!isAccepted(reply.status)) throw failure(reply)
  const list = parseJson(reply.text)
  return (Array.isArray(list) ? list : []).flatMap((item: unknown) =>
    typeof item === 'object' && item !== null && 'name' in item && typeof item.name === 'string' ? [item.name] : []).sort()
}

/** `USER:PASSWORD`, after a call that the gateway has answered. */
export function gatewayLogin(client: Client): string {
  return client.login() ?? NO_LOGIN
}

/** Makes those that may be any text. One that somebody else makes meanwhile is fine. */
export async function makeMissingSecrets(io: Io, client: Client, functions: readonly StackFunction[], place: Place): Promise<void> {
  const known = new Map<string | undefined, Set<string>>()
  for (const one of functions) {
    const namespace = place.namespace || one.namespace
    const wanted = one.secrets.filter((name) => isRandom(one, name) || isLogin(one, name))
    if (wanted.length === 0) continue
    const present = known.get(namespace) ?? new Set(await listSecrets(client, namespace))
    known.set(namespace, present)
    for (const name of wanted) {
      const isKnown = present.has(name)
      // The password may be another one than the last time.
      if (isKnown && !isLogin(one, name)) continue
      present.add(name)
      const value = isLogin(one, name) ? gatewayLogin(client) : randomSecret()
      const body = { name, ...(namespace ? { namespace } : {}), value, rawValue: Buffer.from(value).toString('base64') }
      const reply = await client.system(isKnown ? 'PUT' : 'POST', '/system/secrets', { json: body })
      if (!isAccepted(reply.status) && reply.status !== 409) throw failure(reply)
      if (isLogin(one, name)) {
        if (!isKnown) tell(io, paint(io, 'dim', `secret ${name}: made, the user and password of this gateway, for ${one.name}`))
      } else tell(io, paint(io, 'dim', `secret ${name}: made, a random text (bramble secret update ${name} sets another one)`))
    }
  }
}

/** The commands that make what a function lacks. */
export async function commandsForMissing(client: Client, one: StackFunction, place: Place): Promise<readonly string[]> {
  const namespace = place.namespace || one.namespace
  if (one.secrets.length === 0) return []
  const present = await listSecrets(client, namespace)
  return one.secrets.filter((name) => !present.includes(name)).map((name) => `bramble secret create ${name}${isRandom(one, name) ? ' --generate' : isLogin(one, name) ? ' --gateway-login' : ''}${namespace ? ` -n ${namespace}` : ''}`)
}

function isLogin({ annotations }: StackFunction, name: string): boolean {
  return annotations[LOGIN_ANNOTATION]?.trim() === name
}

function isRandom({ annotations }: StackFunction, name: string): boolean {
  return (annotations[ANNOTATION] ?? '').split(',').some((one) => one.trim() === name)
}
