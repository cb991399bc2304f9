/** The monitor as a process with a volume and a token, and calls of it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createMortalFunction, type MortalFunction } from '../../kill/mortal-function.ts'

export const TOKEN = 'a-token-of-the-test-0123456789'

export type SeenLine = { readonly id: string; readonly time: string; readonly function: string; readonly level: string; readonly text: string; readonly call_id?: string; readonly fields?: Record<string, unknown> }

export type Monitor = AsyncDisposable & {
  readonly process: MortalFunction
  readonly volume: string
  /** With the token, unless `init` has another idea of `authorization`. */
  call(method: string, path: string, init?: RequestInit): Promise<Response>
  /** The answer's JSON; anything but 2xx throws `STATUS CODE`. */
  json(path: string, init?: RequestInit & { readonly method?: string }): Promise<Record<string, unknown>>
  lines(query: string): Promise<readonly SeenLine[]>
  /** As JSON lines. */
  push(lines: readonly object[], headers?: Record<string, string>): Promise<Response>
}

export async function startMonitor(env: Record<string, string> = {}, secrets: Record<string, string> = {}): Promise<Monitor> {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-monitor-'))
  for (const [name, value] of Object.entries({ 'service-token': TOKEN, ...secrets })) await writeFile(join(folder, name), `${value}\n`)
  const volume = join(folder, 'volume')
  const remove = (): Promise<void> => rm(folder, { recursive: true })
  const settings = { secret_mount_path: folder, volume_path: volume, gateway_url: 'http://127.0.0.1:9', ...env }
  const running = await createMortalFunction('monitor', settings).catch(async (error: unknown) => {
    await remove()
    throw error
  })
  const call: Monitor['call'] = (method, path, init = {}) =>
    fetch(`${running.url}${path}`, { method, ...init, headers: { authorization: `Bearer ${TOKEN}`, ...Object.fromEntries(new Headers(init.headers)) } })
  const json: Monitor['json'] = async (path, init = {}) => {
    const answer = await call(init.method ?? 'GET', path, init)
    const value: Record<string, unknown> = JSON.parse(await answer.text() || '{}')
    if (!answer.ok) throw new Error(`${answer.status} ${String(value['code'])}: ${String(value['detail'])}`)
    return value
  }
  return {
    process: running, volume, call, json,
    async lines(query) {
      const { items }: { items?: readonly SeenLine[] } = await json(`/v1/logs?${query}`)
      return items ?? []
    },
    push: (lines, headers = {}) => call('POST', '/v1/lines', {
      body: lines.map((line) => JSON.stringify(line)).join('\n'), headers: { 'content-type': 'application/x-ndjson', ...headers },
    }),
    async [Symbol.asyncDispose]() {
      await running[Symbol.asyncDispose]()
      await remove()
    },
  }
}
