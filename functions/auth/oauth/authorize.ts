/** The authorization endpoint: shows the login page, and sends who logs in back with a code. */
import type { Answer } from '@bramble/runtime/service/answer'
import { Problem } from '@bramble/runtime/service/problem'
import type { Deps } from '../deps.ts'
import { authenticate } from '../people/login.ts'
import type { Origin } from '../store/origin.ts'
import { hashToken, newToken } from '../tokens/opaque.ts'
import { type AuthorizationQuery, checkAuthorization, openRequest, redirectTo, sealRequest } from './authorization-request.ts'
import { findClient } from './clients.ts'
import { loginPage } from './login-page.ts'

/** The application fetches its tokens at once; RFC 6749 recommends at most ten minutes. */
const CODE_MS = 60_000

export async function showLogin(deps: Deps, query: AuthorizationQuery, origin: Origin): Promise<Answer> {
  const checked = await checkAuthorization(deps, query, origin.nowMs)
  if ('refusal' in checked) return redirect(checked.refusal)
  const { client, request } = checked
  return loginPage({ ...pageOf(deps, client.name), request: sealRequest(deps, request), redirectUri: request.redirect_uri })
}

export type LoginForm = { readonly request: string; readonly email: string; readonly password: string; readonly code?: string | undefined }

export async function takeLogin(deps: Deps, form: LoginForm, origin: Origin): Promise<Answer> {
  const request = openRequest(deps, form.request, origin.nowMs)
  const client = request === undefined ? undefined : await findClient(deps.db, request.client_id)
  if (request === undefined || client === undefined) {
    throw new Problem(400, 'form_expired', 'this page is too old; go back to the application and begin again')
  }
  const again = (error: string, { status, headers }: Pick<Problem, 'status' | 'headers'>, needsCode = false): Answer => loginPage({
    ...pageOf(deps, client.name), request: form.request, redirectUri: request.redirect_uri, email: form.email, needsCode, error, status, headers,
  })
  const code = newToken('bmo')
  const typed = form.code?.trim() || undefined
  try {
    const { user, amr, statements } = await authenticate(deps, {
      email: form.email, password: form.password,
      // Six digits are from an app; anything else can only be a recovery code.
      ...(typed !== undefined && (/^\d{6}$/.test(typed) ? { totp: typed } : { recovery_code: typed })),
    }, origin)
    const done = await deps.db.execute([...statements, {
      sql: `INSERT INTO codes (hash, client_id, user_id, redirect_uri, challenge, scope, nonce, amr, auth_at, expires_at)
        VALUES (:hash, :client_id, :user_id, :redirect_uri, :challenge, :scope, :nonce, :amr, :auth_at, :expires_at)`,
      parameters: {
        hash: hashToken(code), client_id: client.id, user_id: user.id, redirect_uri: request.redirect_uri, challenge: request.challenge,
        scope: request.scope, nonce: request.nonce ?? null, amr: JSON.stringify(amr), auth_at: origin.nowMs, expires_at: origin.nowMs + CODE_MS,
      },
    }])
    if (done === undefined) return again('the code is wrong, or was used before', { status: 401, headers: {} }, true)
  } catch (error) {
    if (!(error instanceof Problem) || error.status >= 500) throw error
    return again(error.code === 'second_factor_required' ? 'enter the code from your app' : error.message, error, error.code.includes('second_factor'))
  }
  return redirect(redirectTo(request.redirect_uri, { code, state: request.state, iss: deps.settings.issuer }))
}

function pageOf({ settings }: Deps, application: string) {
  return { service: settings.serviceName, application, action: `${settings.issuer}/oauth/authorize` }
}

/** 303: the browser must not send the password on (RFC 9700, section 4.12). */
function redirect(location: string): Answer {
  return { status: 303, headers: { location, 'referrer-policy': 'no-referrer' } }
}
