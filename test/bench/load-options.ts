/** The load generator's command line, and the bytes of its request. */
import { parseArgs } from 'node:util'

const DEFAULT_SECONDS = 5
const DEFAULT_TIMEOUT_MS = 30_000

export type LoadOptions = {
  readonly url: string
  readonly method?: string
  /** `Name: value` each. */
  readonly headers?: readonly string[]
  /** A body of so many bytes; none when absent. */
  readonly bodyBytes?: number
  /** Closed loop: so many callers. Open loop: the most connections it may open. */
  readonly connections?: number
  /** Calls a second, sent when planned whatever became of those before; absent means as fast as answers come. */
  readonly ratePerSecond?: number
  readonly seconds?: number
  /** Calls before the measured ones. */
  readonly warmupSeconds?: number
  readonly timeoutMs?: number
  /** Processes whose CPU time is measured over the run. */
  readonly pids?: readonly number[]
}

export function toArguments(options: LoadOptions): string[] {
  const { url, method, headers = [], bodyBytes, connections, ratePerSecond, seconds, warmupSeconds, timeoutMs, pids = [] } = options
  const pairs: [string, string | number | undefined][] = [
    ['method', method], ...headers.map((header): [string, string] => ['header', header]), ['body', bodyBytes],
    ['connections', connections], ['rate', ratePerSecond], ['seconds', seconds], ['warmup', warmupSeconds],
    ['timeout-ms', timeoutMs], ...pids.map((pid): [string, number] => ['pid', pid]),
  ]
  return [url, ...pairs.flatMap(([name, value]) => value === undefined ? [] : [`--${name}=${value}`])]
}

export function readArguments(argv: readonly string[]): Required<Omit<LoadOptions, 'ratePerSecond'>> & { ratePerSecond: number | undefined } {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      method: { type: 'string' },
      header: { type: 'string', multiple: true },
      body: { type: 'string' },
      connections: { type: 'string' },
      rate: { type: 'string' },
      seconds: { type: 'string' },
      warmup: { type: 'string' },
      'timeout-ms': { type: 'string' },
      pid: { type: 'string', multiple: true },
    },
  })
  const [url] = positionals
  if (url === undefined || !URL.canParse(url)) throw new Error('usage: load.ts URL [--connections N] [--rate R] [--seconds S] …')
  const bodyBytes = number('body', values.body, 0)
  return {
    url,
    method: values.method ?? (bodyBytes > 0 ? 'POST' : 'GET'),
    headers: values.header ?? [],
    bodyBytes,
    connections: number('connections', values.connections, values.rate === undefined ? 50 : 1000),
    ratePerSecond: values.rate === undefined ? undefined : number('rate', values.rate, 0),
    seconds: number('seconds', values.seconds, DEFAULT_SECONDS),
    warmupSeconds: number('warmup', values.warmup, 0),
    timeoutMs: number('timeout-ms', values['timeout-ms'], DEFAULT_TIMEOUT_MS),
    pids: (values.pid ?? []).map(Number),
  }
}

export function requestOf(options: { url: string; method: string; headers: readonly string[]; bodyBytes: number }): Buffer {
  const { method, headers, bodyBytes } = options
  const url = new URL(options.url)
  const lines = [`${method} ${url.pathname}${url.search} HTTP/1.1`, `Host: ${url.host}`, 'Accept: */*', ...headers]
  if (bodyBytes > 0) lines.push('Content-Type: application/octet-stream', `Content-Length: ${bodyBytes}`)
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), Buffer.alloc(bodyBytes, 'x')])
}

function number(name: string, text: string | undefined, otherwise: number): number {
  const value = text === undefined ? otherwise : Number(text)
  if (!Number.isFinite(value) || value < 0) throw new Error(`--${name} must be a number, not ${text}`)
  return value
}
