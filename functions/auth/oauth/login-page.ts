/** The page people log in on: a form without scripts, pictures or anything from elsewhere. Pure. */
import { createHash } from 'node:crypto'
import type { Answer } from '@bramble/runtime/service/answer'

export type LoginPage = {
  readonly service: string
  readonly application: string
  /** The sealed request. */
  readonly request: string
  readonly action: string
  /** Where the browser goes after the form: a policy that forgets it stops the login. */
  readonly redirectUri: string
  readonly email?: string
  readonly needsCode?: boolean
  readonly error?: string
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
}

const style = `
:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
body{margin:0;min-height:100vh;display:grid;place-items:center;background:Canvas;color:CanvasText}
main{width:min(22rem,calc(100vw - 2rem))}
h1{font-size:1.4rem;margin:0 0 .25rem}p{margin:0 0 1.25rem}
label{display:block;margin:0 0 1rem}
input{box-sizing:border-box;width:100%;font:inherit;padding:.5rem .6rem;border:1px solid GrayText;border-radius:.4rem;background:Field;color:FieldText}
button{width:100%;font:inherit;font-weight:600;padding:.6rem;border:0;border-radius:.4rem;background:#8f2450;color:#fff;cursor:pointer}
:focus-visible{outline:3px solid #c2588a;outline-offset:2px}
[role=alert]{padding:.5rem .75rem;border-left:4px solid #c0262d}
small{display:block}`
const styleHash = createHash('sha256').update(style).digest('base64')

export function loginPage(page: LoginPage): Answer {
  const { service, application, request, action, email = '', needsCode = false, error } = page
  const focus = needsCode ? 'code' : email === '' ? 'email' : 'password'
  const field = (name: string, attributes: string): string =>
    `<input name="${name}" ${attributes}${name === focus ? ' autofocus' : ''}>`
  const body = `
<h1>Log in to ${escapeHtml(service)}</h1>
<p>to go on to <strong>${escapeHtml(application)}</strong></p>
${error === undefined ? '' : `<p role="alert">${escapeHtml(sentence(error))}</p>`}
<form method="post" action="${escapeHtml(action)}">
<input type="hidden" name="request" value="${escapeHtml(request)}">
<label>E-mail address${field('email', `type="email" value="${escapeHtml(email)}" autocomplete="username" required maxlength="254"`)}</label>
<label>Password${field('password', 'type="password" autocomplete="current-password" required maxlength="256"')}</label>
<label>Code from your app<small>if you have one; a recovery code will do</small>${field('code', 'autocomplete="one-time-code" maxlength="40"')}</label>
<button>Log in</button>
</form>`
  return html(page.status ?? 200, `Log in to ${service}`, body, `'self' ${formTarget(page.redirectUri)}`, page.headers)
}

/** For what cannot be told to the application. */
export function errorPage(status: number, message: string): Answer {
  return html(status, 'Cannot log in', `<h1>Cannot log in</h1><p role="alert">${escapeHtml(sentence(message))}</p>`, `'none'`)
}

function html(status: number, title: string, body: string, formAction: string, headers: Readonly<Record<string, string>> = {}): Answer {
  return {
    status,
    headers: {
      ...headers,
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': `default-src 'none'; style-src 'sha256-${styleHash}'; form-action ${formAction}; base-uri 'none'; frame-ancestors 'none'`,
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
    },
    body: `<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">`
      + `<title>${escapeHtml(title)}</title><style>${style}</style></head><body><main>${body}</main></body></html>\n`,
  }
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}

/** A policy knows origins, and of an app's own scheme only the scheme. */
function formTarget(uri: string): string {
  const { protocol, origin } = new URL(uri)
  return protocol === 'https:' || protocol === 'http:' ? origin : protocol
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`)
}
