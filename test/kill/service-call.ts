/** JSON to a service that may die at any moment. */
export type Target = { readonly url: string; readonly token?: string }
export type Reply = { readonly status: number; readonly body: unknown; readonly text: string }
export type CallOptions = { readonly json?: unknown; readonly headers?: Readonly<Record<string, string>> }

/** A call without an answer for so long has none. */
const TIMEOUT_MS = 60_000

/** `undefined` when the connection broke: what became of the call is not known. Status 0: nobody was there to take it. */
export async function callService({ url, token }: Target, method: string, path: string, { json, headers = {} }: CallOptions = {}): Promise<Reply | undefined> {
  try {
    const response = await fetch(url + path, {
      method, signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: { ...(token !== undefined && { authorization: `Bearer ${token}` }), ...(json !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(json !== undefined && { body: JSON.stringify(json) }),
    })
    const text = await response.text()
    const isJson = text !== '' && /json/.test(response.headers.get('content-type') ?? '')
    return { status: response.status, text, body: isJson ? JSON.parse(text) : undefined }
  } catch (error) {
    if (error instanceof TypeError && error.cause instanceof Error && 'code' in error.cause && error.cause.code === 'ECONNREFUSED') return { status: 0, text: '', body: undefined }
    if (error instanceof TypeError || (error instanceof Error && error.name === 'TimeoutError')) return undefined
    throw error
  }
}
