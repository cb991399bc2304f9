/** Errors in the form of RFC 6749, section 5.2: OAuth's clients know no problem documents. */
import { type Answer, json } from '@bramble/runtime/service/answer'
import { Problem } from '@bramble/runtime/service/problem'

const oauthCodes: ReadonlySet<string> = new Set([
  'invalid_request', 'invalid_client', 'invalid_grant', 'unauthorized_client', 'unsupported_grant_type', 'invalid_scope', 'unsupported_token_type',
])

export type OAuthCode =
  | 'invalid_request' | 'invalid_client' | 'invalid_grant' | 'unauthorized_client' | 'unsupported_grant_type' | 'invalid_scope'

export function oauthError(code: OAuthCode, detail: string): Problem {
  const isClient = code === 'invalid_client'
  return new Problem(isClient ? 401 : 400, code, detail, { headers: isClient ? { 'www-authenticate': 'Basic realm="oauth"' } : {} })
}

/** What `refuse` of a route wants. */
export function oauthErrorAnswer({ status, code, message, headers }: Problem): Answer {
  const error = oauthCodes.has(code) ? code : status >= 500 ? 'server_error' : status === 429 ? 'temporarily_unavailable' : 'invalid_request'
  return json({ error, error_description: printable(message) }, status, { ...headers, pragma: 'no-cache' })
}

/** Section 5.2 allows only these characters. */
function printable(text: string): string {
  return text.replace(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, "'")
}
