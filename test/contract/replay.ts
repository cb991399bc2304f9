/** Sends the requests of a scenario to a gateway, as the CLI did, and says what differs from the recording. */
import { request } from 'node:http'
import type { DataPathLimits } from '../../platform/gateway/data-path.ts'
import { createGateway, type Gateway, type GatewayOptions } from '../../platform/gateway/gateway.ts'
import type { Waker } from '../../platform/gateway/parking.ts'
import { createLog } from '../../platform/lib/log.ts'
import type { Provider } from '../../platform/provider/provider.ts'
import { differences, type Answer, type Loose } from './compare.ts'
import { CREDENTIALS, fillRequest, type Received, type RecordedRequest, type Scenario } from './scenario.ts'

export const LIMITS: DataPathLimits = {
  readTimeoutMs: 5_000, writeTimeoutMs: 5_000, upstreamTimeoutMs: 5_000, readyTimeoutMs: 2_000, idleTimeoutMs: 5_000,
  shutdownTimeoutMs: 1_000, maxConnections: 10_000, maxInFlight: 1_000, maxWaiting: 100, bodyLimitBytes: 2 ** 24,
}

export function createTestGateway(
  provider: Provider, auth: Scenario['auth'], limits: Partial<DataPathLimits> = {}, waker?: Waker, more: Partial<GatewayOptions> = {},
): Gateway {
  return createGateway({
    provider, credentials: auth === 'basic' ? CREDENTIALS : undefined, host: '127.0.0.1', port: 0, ...(waker ? { waker } : {}), ...more,
    limits: { ...LIMITS, ...limits }, version: { release: '0.0.0', sha: '0000000' },
    log: createLog({ level: 'error', write: (line) => process.stderr.write(line) }),
  })
}

export type ReplayOptions = {
  readonly loose?: Loose
  /** What the functions have received, when the provider can tell. */
  readonly received?: readonly Received[]
  /** Called with what has come of a streamed answer so far. */
  readonly onData?: (text: string) => void
}

/** All differences, each with the request it belongs to. */
export async function replay(scenario: Scenario, gateway: string, options: ReplayOptions = {}): Promise<string[]> {
  const complaints: string[] = []
  for (const { request: recorded, response, upstream } of scenario.exchanges) {
    const seen = options.received?.length ?? 0
    const answer = await send(fillRequest(recorded, gateway), gateway, options.onData)
    const found = differences(response, answer, options.loose)
    if (options.received) {
      const is = JSON.stringify(options.received.slice(seen))
      const wanted = JSON.stringify(upstream ? [upstream] : [])
      if (is !== wanted) found.push(`functions received ${is} instead of ${wanted}`)
    }
    complaints.push(...found.map((text) => `${recorded.method} ${recorded.path}: ${text}`))
  }
  return complaints
}

/** The path goes out as it is: no client normalizes it. */
function send(recorded: RecordedRequest, gateway: string, onData?: (text: string) => void): Promise<Answer> {
  const { method, path, headers, body } = recorded
  const text = body === undefined || typeof body === 'string' ? body ?? '' : JSON.stringify(body)
  return new Promise((resolve, reject) => {
    const outgoing = request(gateway, {
      method, path, agent: false, headers: { ...headers, 'content-length': Buffer.byteLength(text) },
    }, (answer) => {
      let all = Buffer.alloc(0)
      answer.on('data', (chunk: Buffer) => {
        all = Buffer.concat([all, chunk])
        onData?.(all.toString())
      })
      answer.on('error', reject)
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: flatten(answer.headers), body: all }))
    })
    outgoing.on('error', reject)
    outgoing.end(text)
  })
}

function flatten(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]))
}
