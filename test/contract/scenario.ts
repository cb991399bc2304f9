/** The recorded exchanges of the stock CLI (`faas-cli.json`): their shape, and their placeholders filled in. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export type RecordedRequest = {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: unknown
}

export type RecordedResponse = {
  readonly status: number
  /** Other answers that the CLI treats alike. */
  readonly statusAlso?: readonly number[]
  readonly headers?: Readonly<Record<string, string>>
  readonly match: 'empty' | 'text' | 'exact' | 'json' | 'ndjson'
  readonly body?: unknown
}

/** What the function must receive. */
export type Received = {
  /** `NAME.NAMESPACE` */
  readonly function: string
  readonly method: string
  readonly path: string
  readonly body: string
}

export type Exchange = {
  readonly request: RecordedRequest
  readonly response: RecordedResponse
  readonly upstream?: Received
}

/** How a function answers; what is missing is a 200 without headers and body. */
export type Upstream = {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

export type GivenFunction = {
  /** A deploy body. */
  readonly deployment: { readonly service: string; readonly namespace?: string; readonly image: string }
  readonly replicas?: number
  readonly availableReplicas?: number
  readonly invocationCount?: number
  readonly createdAt?: string
  readonly usage?: { readonly cpu: number; readonly totalMemoryBytes: number }
}

export type GivenLine = {
  readonly name: string
  readonly namespace: string
  readonly instance: string
  readonly timestamp: string
  readonly text: string
}

/** The state before the first request. */
export type Given = {
  readonly functions?: readonly GivenFunction[]
  readonly secrets?: readonly { readonly name: string; readonly namespace?: string; readonly value: string }[]
  readonly namespaces?: readonly {
    readonly name: string
    readonly labels: Readonly<Record<string, string>>
    readonly annotations: Readonly<Record<string, string>>
  }[]
  readonly logs?: readonly GivenLine[]
  /** Lines that appear once a follower is there. */
  readonly lateLogs?: readonly GivenLine[]
  /** By function name; one without an entry echoes. */
  readonly upstreams?: Readonly<Record<string, Upstream>>
}

export type Scenario = {
  readonly name: string
  readonly kind: 'server' | 'injected' | 'local' | 'external'
  readonly auth: 'none' | 'basic'
  readonly given?: Given
  readonly exchanges: readonly Exchange[]
}

export const CREDENTIALS = { user: 'admin', password: 'fixture-password' }

/** The scenarios whose answers came from a gateway's state: those that can be replayed. */
export function loadServerScenarios(): Scenario[] {
  const all: Scenario[] = JSON.parse(readFileSync(join(import.meta.dirname, 'faas-cli.json'), 'utf8'))
  return all.filter(({ kind }) => kind === 'server')
}

const SINCE_MS = 5 * 60_000
const OFFSET_MS = 5.5 * 3_600_000

/** A request with its placeholders filled in, and with some version where the recording has `*`. */
export function fillRequest(request: RecordedRequest, gateway: string, now: Date = new Date()): RecordedRequest {
  const since = new Date(now.getTime() - SINCE_MS)
  const values: Readonly<Record<string, string>> = {
    '{gateway}': gateway,
    '{gatewayHost}': gateway.replace('http://', ''),
    '{credentials}': Buffer.from(`${CREDENTIALS.user}:${CREDENTIALS.password}`).toString('base64'),
    '{wrong}': Buffer.from(`${CREDENTIALS.user}:wrong`).toString('base64'),
    '{rfc3339}': wholeSeconds(since) + 'Z',
    '{rfc3339%2B05%3A30}': wholeSeconds(new Date(since.getTime() + OFFSET_MS)) + '%2B05%3A30',
  }
  const fill = (text: string): string => text.replace(/\{[a-zA-Z0-9%]+\}/g, (placeholder) => {
    const value = values[placeholder]
    if (value === undefined) throw new Error(`unknown placeholder ${placeholder}`)
    return value
  })
  const headers = Object.fromEntries(Object.entries(request.headers)
    .map(([name, value]) => [name, name === 'user-agent' ? value.replaceAll('*', '1') : fill(value)]))
  return { ...request, path: fill(request.path), headers }
}

function wholeSeconds(date: Date): string {
  return date.toISOString().slice(0, 19)
}
