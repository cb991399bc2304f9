/** Gives tokens that Debian's docker-registry verifies, by the distribution project's token specification. */
import { execFile } from 'node:child_process'
import { createPrivateKey, randomUUID, sign, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ISSUER, PASSWORD, SERVICE, USER } from './registry-server.ts'

export type TokenServer = AsyncDisposable & {
  readonly realm: string
  readonly certificateFile: string
  /** What was asked for: `GET pusher repository:a:pull`. */
  readonly requests: readonly string[]
}

export const IDENTITY_TOKEN = 'an identity token'

/** Whoever has the password or the identity token may do what he asks for; others may pull. */
export async function startTokenServer(lifeSeconds: number): Promise<TokenServer> {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-tokens-'))
  const at = (file: string): string => join(folder, file)
  await promisify(execFile)('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
    '-subj', '/CN=tokens', '-keyout', at('key.pem'), '-out', at('cert.pem')])
  const key = createPrivateKey(await readFile(at('key.pem')))
  const header = { typ: 'JWT', alg: 'ES256', x5c: [new X509Certificate(await readFile(at('cert.pem'))).raw.toString('base64')] }
  const base64 = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

  const issue = (user: string | undefined, scopes: readonly string[]): string => {
    const now = Math.floor(Date.now() / 1_000)
    const access = scopes.map((scope) => {
      const [type, name, actions = ''] = scope.split(':')
      return { type, name, actions: actions.split(',').filter((action) => user !== undefined || action === 'pull') }
    })
    const claims = { iss: ISSUER, sub: user ?? '', aud: SERVICE, nbf: now - 5, iat: now, exp: now + lifeSeconds, jti: randomUUID(), access }
    const text = `${base64(header)}.${base64(claims)}`
    return `${text}.${sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
  }

  const requests: string[] = []
  const server = createServer(async (request, response) => {
    const query = request.method === 'POST' ? new URLSearchParams(await bodyOf(request)) : new URL(request.url ?? '/', 'http://localhost').searchParams
    const scopes = query.getAll('scope').flatMap((scope) => scope.split(' '))
    const basic = request.headers.authorization
    const isKnown = basic === `Basic ${Buffer.from(`${USER}:${PASSWORD}`).toString('base64')}` || query.get('refresh_token') === IDENTITY_TOKEN
    requests.push(`${request.method} ${isKnown ? USER : basic === undefined ? 'nobody' : 'wrong'} ${scopes.join(' ')}`)
    const isRight = query.get('service') === SERVICE && (isKnown || (basic === undefined && request.method === 'GET'))
    response.writeHead(isRight ? 200 : 401, { 'content-type': 'application/json' })
    response.end(JSON.stringify(isRight ? { [request.method === 'POST' ? 'access_token' : 'token']: issue(isKnown ? USER : undefined, scopes), expires_in: lifeSeconds } : {}))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  return {
    requests, certificateFile: at('cert.pem'), realm: `http://127.0.0.1:${address.port}/token`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return text
}
