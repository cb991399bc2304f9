/** The status JSON of a function, read with tolerance: other gateways leave things out. */
import { BrambleError } from '../lib/errors.ts'
import { failure, type Client } from './client.ts'

export type Condition = { readonly reason: string; readonly message: string; readonly lastLines: readonly string[] }

export type Status = {
  readonly name: string
  readonly namespace: string
  readonly image: string
  readonly envProcess: string
  readonly replicas: number
  readonly availableReplicas: number
  readonly invocationCount: number
  readonly createdAt: string
  readonly envVars: Readonly<Record<string, string>>
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly limits: Readonly<Record<string, string>>
  readonly requests: Readonly<Record<string, string>>
  readonly secrets: readonly string[]
  readonly constraints: readonly string[]
  readonly usage: { readonly cpu: number; readonly totalMemoryBytes: number } | undefined
  /** What is wrong with it; empty when nothing is, or when the gateway does not tell. */
  readonly conditions: readonly Condition[]
  /** The JSON as it came. */
  readonly json: unknown
}

type Ref = { readonly name: string; readonly namespace: string | undefined }

export async function listStatus(client: Client, namespace: string | undefined): Promise<readonly Status[]> {
  const reply = await client.system('GET', '/system/functions', { query: { namespace } })
  if (reply.status !== 200) throw failure(reply)
  const list = parseJson(reply.text)
  if (!Array.isArray(list)) throw notUnderstood('the list of functions')
  return list.map(parseStatus)
}

/** `undefined` when there is no such function. */
export async function readStatus(client: Client, ref: Ref, withUsage: boolean): Promise<Status | undefined> {
  const reply = await client.system('GET', `/system/function/${encodeURIComponent(ref.name)}`, {
    query: { usage: withUsage ? '1' : undefined, namespace: ref.namespace },
  })
  if (reply.status === 404) return undefined
  if (reply.status !== 200) throw failure(reply)
  return parseStatus(parseJson(reply.text))
}

export function parseStatus(value: unknown): Status {
  const json = asMap(value)
  const name = json.get('name')
  if (typeof name !== 'string') throw notUnderstood('a function without a name')
  const usage = asMap(json.get('usage'))
  return {
    name,
    namespace: asText(json.get('namespace')),
    image: asText(json.get('image')),
    envProcess: asText(json.get('envProcess')),
    replicas: asNumber(json.get('replicas')),
    availableReplicas: asNumber(json.get('availableReplicas')),
    invocationCount: Math.floor(asNumber(json.get('invocationCount'))),
    createdAt: asText(json.get('createdAt')),
    envVars: asTexts(json.get('envVars')),
    labels: asTexts(json.get('labels')),
    annotations: asTexts(json.get('annotations')),
    limits: asTexts(json.get('limits')),
    requests: asTexts(json.get('requests')),
    secrets: asList(json.get('secrets')).map(asText),
    constraints: asList(json.get('constraints')).map(asText),
    usage: usage.size > 0 ? { cpu: asNumber(usage.get('cpu')), totalMemoryBytes: asNumber(usage.get('totalMemoryBytes')) } : undefined,
    conditions: asList(json.get('conditions')).map((item) => {
      const condition = asMap(item)
      return {
        reason: asText(condition.get('reason')),
        message: asText(condition.get('message')),
        lastLines: asList(condition.get('lastLines')).map(asText),
      }
    }),
    json: value,
  }
}

/** `UPSTREAM` when the gateway's answer is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new BrambleError('UPSTREAM', `the gateway's answer is not JSON: ${text.trim().slice(0, 100) || 'it is empty'}`, { cause })
  }
}

function notUnderstood(what: string): BrambleError {
  return new BrambleError('UPSTREAM', `the gateway's answer is not understood (${what}): is this an OpenFaaS gateway?`)
}

export function asMap(value: unknown): ReadonlyMap<string, unknown> {
  return new Map(typeof value === 'object' && value !== null ? Object.entries(value) : [])
}

export function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

export function asText(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function asNumber(value: unknown): number {
  return typeof value === 'number' ? value : 0
}

function asTexts(value: unknown): Record<string, string> {
  return Object.fromEntries([...asMap(value)].map(([key, item]) => [key, String(item)]))
}
