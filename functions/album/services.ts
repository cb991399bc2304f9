/** Calls to other functions through the gateway. All of one call have its id, so that the logs can be followed by it. */
import { HttpError } from '@bramble/runtime'

export type Body = string | ReadableStream<Uint8Array> | null

export type Call = {
  readonly method?: string
  /** Shown to the service: a person's token, or the service token. */
  readonly token: string
  readonly callId: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Body
}

/** Any answer; throws 503 when there is none. */
export type Services = (path: string, call: Call) => Promise<Response>

/** Without any byte of an answer. */
const TIMEOUT_MS = 30_000

export function createServices(gatewayUrl: string): Services {
  return async (path, { method = 'GET', token, callId, headers = {}, body = null }) => {
    const isStream = body instanceof ReadableStream
    try {
      return await fetch(`${gatewayUrl}/function/${path}`, {
        method, body, headers: { ...headers, authorization: `Bearer ${token}`, 'x-call-id': callId },
        // A body that is passed on takes as long as the one who sends it.
        ...isStream ? { duplex: 'half' as const } : { signal: AbortSignal.timeout(TIMEOUT_MS) },
      })
    } catch (error) {
      throw new HttpError(503, `${path.split('/')[0]} cannot be reached: ${error instanceof Error ? error.message : 'unknown'}; try again`)
    }
  }
}

/** The JSON of an answer; 503 for one that is no success, or breaks off. */
export async function jsonOf(answer: Response): Promise<unknown> {
  const text = await answer.text().catch(() => undefined)
  if (!answer.ok) throw new HttpError(503, `${answer.url} answers ${answer.status}: ${text ?? ''}`)
  try {
    return JSON.parse(text ?? '')
  } catch {
    throw new HttpError(503, `${answer.url} answers without all of its JSON; try again`)
  }
}
