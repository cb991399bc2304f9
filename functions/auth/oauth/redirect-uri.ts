/** Where an authorization code may be sent (RFC 9700, section 2.1; RFC 8252, section 7). Pure. */

/** Longer ones only bloat logs and databases. */
const MAX_LENGTH = 500
const loopbackHosts: ReadonlySet<string> = new Set(['127.0.0.1', '[::1]'])

/** What is wrong with a redirect URI that somebody wants to register, or `undefined`. */
export function redirectUriProblem(text: string): string | undefined {
  if (text.length > MAX_LENGTH) return `has more than ${MAX_LENGTH} characters`
  const uri = URL.parse(text)
  if (uri === null) return 'is not an absolute URL'
  if (text.includes('#')) return 'has a fragment'
  if (text.includes('*')) return 'has a wildcard: every URI is registered as it is'
  if (uri.username !== '' || uri.password !== '') return 'has a user name in it'
  if (uri.protocol === 'https:') return undefined
  if (uri.protocol === 'http:') {
    return loopbackHosts.has(uri.hostname) || uri.hostname === 'localhost' ? undefined : 'is http, which is for this machine only: use https'
  }
  // An app's own scheme is a domain of its author, turned round.
  return /^[a-z][a-z0-9+-]*(?:\.[a-z0-9+-]+)+:$/.test(uri.protocol) ? undefined : 'has a scheme that is neither https nor a reversed domain'
}

/** Compared as text; of a loopback address the port is left open, since an app on a desktop gets it late. */
export function isRedirectAllowed(asked: string, registered: readonly string[]): boolean {
  return registered.includes(asked) || registered.some((uri) => isSameButPort(asked, uri))
}

function isSameButPort(asked: string, registered: string): boolean {
  const a = URL.parse(asked)
  const b = URL.parse(registered)
  if (a === null || b === null || b.protocol !== 'http:' || !loopbackHosts.has(b.hostname)) return false
  a.port = b.port
  return a.href === b.href && !asked.includes('#') && a.username === '' && a.password === ''
}
