/** The cache service as a process, with a token, and calls of it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type RunningFunction, startFunction } from '../../start-function.ts'

export const TOKEN = 'a-token-of-the-test-0123456789'
const known = { authorization: `Bearer ${TOKEN}` }

export type Cache = AsyncDisposable & {
  readonly process: RunningFunction
  /** With the token, unless `init` has another idea of `authorization`. */
  call(method: string, path: string, init?: RequestInit): Promise<Response>
  /** With a body of JSON; the answer's. Anything but 2xx throws `STATUS CODE`. */
  json(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Record<string, unknown>>
}

export async function startCache(env: Record<string, string> = {}): Promise<Cache> {
  const secrets = await mkdtemp(join(tmpdir(), 'bramble-secrets-'))
  await writeFile(join(secrets, 'service-token'), `${TOKEN}\n`)
  const removeSecrets = (): Promise<void> => rm(secrets, { recursive: true })
  const running = await startFunction('cache', { secret_mount_path: secrets, ...env }).catch(async (error: unknown) => {
    await removeSecrets()
    throw error
  })
  const call: Cache['call'] = (method, path, init = {}) =>
    fetch(`${running.url}${path}`, { method, ...init, headers: { ...known, ...Object.fromEntries(new Headers(init.headers)) } })
  return {
    process: running,
    call,
    async json(method, path, body, headers = {}) {
      const answer = await call(method, path, body === undefined ? { headers } : { body: JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers } })
      const value: Record<string, unknown> = JSON.parse(await answer.text() || '{}')
      if (!answer.ok) throw new Error(`${answer.status} ${String(value['code'])}: ${String(value['detail'])}`)
      return value
    },
    async [Symbol.asyncDispose]() {
      await running[Symbol.asyncDispose]()
      await removeSecrets()
    },
  }
}
