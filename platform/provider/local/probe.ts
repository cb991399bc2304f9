/** Asks a replica over HTTP whether it is ready, and later whether it is still there. */
import { request } from 'node:http'
import { BrambleError } from '../../lib/errors.ts'
import { readReadyPath } from '../../openfaas/labels.ts'
import type { FunctionSpec } from '../../openfaas/types.ts'

export type Probe = {
  /** Why it is not ready, in words for the operator; `undefined` when it is. */
  whyNotReady(): Promise<string | undefined>
  /** Whether it answers at all, whatever it says: a busy replica that answers 503 or 429 lives. */
  isAlive(): Promise<boolean>
}

const READY_PATH = '/_/ready'
const HEALTH_PATH = '/_/health'

/**
 * With a path of its own that path must answer 2xx or 3xx. Without one `/_/ready` decides; a program that does not
 * know it (404) is asked for `/_/health`, and one that knows neither is ready because it listens.
 */
export function createProbe({ port, path, timeoutMs }: { port: number; path: string | undefined; timeoutMs: number }): Probe {
  return {
    async whyNotReady() {
      const first = await ask(port, path ?? READY_PATH, timeoutMs)
      if (path !== undefined || first !== 404) return judge(path ?? READY_PATH, first)
      const second = await ask(port, HEALTH_PATH, timeoutMs)
      return second === 404 ? undefined : judge(HEALTH_PATH, second)
    },
    isAlive: async () => typeof await ask(port, path ?? HEALTH_PATH, timeoutMs) === 'number',
  }
}

/** The path from the annotations. `INVALID` when no request could be made of it. */
export function probePathOf(spec: FunctionSpec): string | undefined {
  const path = readReadyPath(spec.annotations)
  if (path === undefined || /^\/[\x21-\x7e]*$/.test(path)) return path
  throw new BrambleError('INVALID', `the readiness path "${path}" of function ${spec.name} is not a path like /_/ready`)
}

function judge(path: string, answer: number | string): string | undefined {
  if (typeof answer === 'string') return answer
  return answer >= 200 && answer < 400 ? undefined : `${path} answers ${answer}`
}

/** The status, or why there is none. */
function ask(port: number, path: string, timeoutMs: number): Promise<number | string> {
  return new Promise((resolve) => {
    const call = request({ host: '127.0.0.1', port, path, agent: false, headers: { 'user-agent': 'bramble-probe' } })
    const timer = setTimeout(() => {
      resolve(`${path} gives no answer within ${timeoutMs} ms`)
      call.destroy()
    }, timeoutMs)
    call.on('response', (response) => {
      resolve(response.statusCode ?? 0)
      response.resume()
    })
    call.on('error', () => resolve(`it does not listen on port ${port}`))
    call.on('close', () => clearTimeout(timer))
    call.end()
  })
}
