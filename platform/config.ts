/** Every setting: name, default, meaning. The only list; the README's table is compared with it. */
import { BrambleError } from './lib/errors.ts'

type Parser<T> = (text: string) => T
type Setting<T> = { readonly fallback: string; readonly meaning: string; readonly parse: Parser<T> }

function setting<T>(fallback: string, parse: Parser<T>, meaning: string): Setting<T> {
  return { fallback, meaning, parse }
}

export const settings = {
  provider: setting('local', oneOf('local', 'kubernetes'),
    'where functions run: `local` (child processes on this machine) or `kubernetes` (pods of a cluster)'),
  kubeconfig: setting('in-cluster', kubeconfig,
    'file with the address of the cluster and the credentials for it; `in-cluster` is the service account of the pod'),
  gateway_address: setting('none', address,
    'where pods reach the gateway, `HOST:PORT`: replicas say there that they serve, before Kubernetes knows their address'),
  insecure_registries: setting('none', names, 'registries that may do without TLS, `HOST:PORT` with commas between'),
  registry_ca_file: setting('none', file, 'file with the certificates of registries that the system does not know'),
  registry_auth_file: setting('none', file, 'file with the credentials for registries, as Docker keeps them'),
  host: setting('127.0.0.1', word, 'address the gateway and its metrics listen on; `0.0.0.0` opens them to the network'),
  port: setting('8080', port, 'port of the gateway; 0 takes any free one'),
  metrics_port: setting('8082', port, 'port of `/metrics` and `/healthz`; 0 takes any free one'),
  data_dir: setting('.bramble', word, 'folder of everything that must survive a restart'),
  functions_dir: setting('dist/functions', word, 'folder of the bundles: image `anything/NAME:TAG` is the folder `NAME` in it'),
  gateway_processes: setting('auto', processes,
    'processes that forward calls; `0` and `auto` do it in the one process there is, `apart` leaves it to those who run `data-path.mjs`, where `auto` is half of the cores'),
  control_dir: setting('control', word, 'folder of the sockets between the control process and the data path, seen from `data_dir`'),
  basic_auth: setting('true', flag, 'whether `/system` asks for user and password'),
  secret_mount_path: setting('/run/secrets', word,
    'folder with `basic-auth-user` and `basic-auth-password`; without them a password is made and kept in `data_dir`'),
  read_timeout: setting('65s', duration, 'how long a client may take for its headers, and pause within a body'),
  write_timeout: setting('65s', duration, 'how long a client may leave an answer unread'),
  upstream_timeout: setting('60s', duration, 'how long a function may take to begin its answer, and pause within it'),
  ready_timeout: setting('10s', duration, 'how long a call waits for a replica while none is ready'),
  idle_timeout: setting('75s', duration, 'how long an idle client connection is kept'),
  shutdown_timeout: setting('30s', duration, 'how long calls in flight may take to end after SIGTERM'),
  update_timeout: setting('30s', duration, 'how long a new version may take to become ready before it is given up'),
  max_connections: setting('20000', count, 'client connections held at once'),
  max_inflight: setting('10000', count, 'calls under way at once; one more is answered 429'),
  max_waiting: setting('1000', count, 'calls of one function that wait for a replica at once; one more is answered 429'),
  body_limit: setting('4Gi', size, 'largest request body of a function call'),
  async_body_limit: setting('1Mi', size, 'largest request body of an asynchronous call'),
  async_callback_hosts: setting('none', names,
    'hosts of a private network, `HOST` or `HOST:PORT` with commas between, that `X-Callback-Url` may name; `*` for all'),
  queue_max_messages: setting('100000', count, 'asynchronous calls that wait at once; one more is answered 429'),
  queue_max_bytes: setting('512Mi', size, 'what they may take on the disk'),
  log_level: setting('info', oneOf('debug', 'info', 'warn', 'error'), 'lowest level that is written'),
} as const

export type SettingName = keyof typeof settings
export type Config = { readonly [K in SettingName]: ReturnType<(typeof settings)[K]['parse']> }

/** Reads all settings from the environment; empty means default. `INVALID` names every bad one at once. */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const bad: string[] = []
  const values = Object.entries(settings).map(([name, { fallback, parse }]) => {
    const text = env[name]?.trim() || fallback
    try {
      return [name, parse(text)]
    } catch (error) {
      bad.push(`${name}="${text}": ${error instanceof Error ? error.message : error}`)
      return [name, undefined]
    }
  })
  if (bad.length > 0) {
    throw new BrambleError('INVALID', `bad setting${bad.length > 1 ? 's' : ''}: ${bad.join('; ')}`)
  }
  return Object.fromEntries(values) as Config
}

function word(text: string): string {
  if (text.includes('\0')) throw new Error('contains a NUL character')
  return text
}

function address(text: string): { readonly host: string; readonly port: number } | undefined {
  if (text === 'none') return undefined
  const [, host, digits] = /^([^\s:/]+):(\d{1,5})$/.exec(text) ?? []
  if (host === undefined || digits === undefined || Number(digits) > 65_535) throw new Error('is not HOST:PORT')
  return { host, port: Number(digits) }
}

function kubeconfig(text: string): string | undefined {
  return text === 'in-cluster' ? undefined : word(text)
}

function file(text: string): string | undefined {
  return text === 'none' ? undefined : word(text)
}

function names(text: string): readonly string[] {
  return text === 'none' ? [] : text.split(',').map((name) => name.trim()).filter((name) => name !== '')
}

function port(text: string): number {
  if (!/^[0-9]{1,5}$/.test(text) || Number(text) > 65_535) throw new Error('must be a port from 0 to 65535')
  return Number(text)
}

function count(text: string): number {
  if (!/^[1-9][0-9]{0,8}$/.test(text)) throw new Error('must be a whole number from 1 upwards')
  return Number(text)
}

function processes(text: string): number | 'auto' | 'apart' {
  if (text === 'auto' || text === 'apart') return text
  if (!/^[0-9]{1,2}$/.test(text)) throw new Error('must be auto, apart or a whole number from 0 to 99')
  return Number(text)
}

function flag(text: string): boolean {
  if (text === 'true' || text === '1') return true
  if (text === 'false' || text === '0') return false
  throw new Error('must be true or false')
}

function oneOf<T extends string>(...words: readonly T[]): Parser<T> {
  return (text) => {
    const found = words.find((one) => one === text)
    if (found === undefined) throw new Error(`must be ${words.join(' or ')}`)
    return found
  }
}

/** Milliseconds out of a Go duration (`1m30s`, `500ms`) or whole seconds (`60`), as OpenFaaS takes them. */
function duration(text: string): number {
  const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }
  if (/^[0-9]{1,7}$/.test(text)) return positive(Number(text) * 1000)
  const parts = [...text.matchAll(/([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)/g)]
  if (parts.length === 0 || parts.map(([all]) => all).join('') !== text) {
    throw new Error('must be a duration like 30s, 500ms or 1m30s')
  }
  return positive(parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * (unitMs[unit ?? ''] ?? 0), 0))
}

/** The longest time a Node timer can wait. */
const MAX_DURATION_MS = 2 ** 31 - 1

function positive(ms: number): number {
  if (ms <= 0 || ms > MAX_DURATION_MS) throw new Error('must be longer than 0 and shorter than 24 days')
  return Math.round(ms)
}

function size(text: string): number {
  const unit: Readonly<Record<string, number>> = { '': 1, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, k: 1e3, M: 1e6, G: 1e9 }
  const match = /^([1-9][0-9]{0,12})(Ki|Mi|Gi|k|M|G)?$/.exec(text)
  if (!match) throw new Error('must be a size like 10Mi')
  return Number(match[1]) * (unit[match[2] ?? ''] ?? 1)
}
