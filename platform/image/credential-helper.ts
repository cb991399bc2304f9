/** Docker's credential helpers: `docker-credential-NAME get`, the registry on standard input, JSON on standard output. */
import { spawn } from 'node:child_process'
import { BrambleError, hasCode, reasonOf } from '../lib/errors.ts'
import type { Credential } from './credentials.ts'

/** A key ring may ask the person first. */
const HELPER_TIMEOUT_MS = 60_000
/** Tokens have a few KB. */
const MAX_OUTPUT_BYTES = 64 * 1024
/** What a helper says when it has nothing; the words are part of the protocol. */
const NOTHING = /credentials not found/i

/** `undefined` when the helper knows none for `registry`; `INVALID` when it is missing or fails. */
export async function askHelper(
  name: string, registry: string, env: Readonly<Record<string, string | undefined>>,
): Promise<Credential | undefined> {
  if (!/^[\w.-]+$/.test(name)) throw new BrambleError('INVALID', `the credential helper "${name}" of the Docker configuration has no valid name`)
  const program = `docker-credential-${name}`
  const { code, output } = await run(program, registry, env)
  if (code !== 0) {
    if (NOTHING.test(output)) return undefined
    // Helpers write their error to standard output, where a secret would be too: only a failed one is quoted.
    throw new BrambleError('INVALID', `${program} failed for ${registry}: ${output.trim().split('\n', 1)[0]?.slice(0, 200) || `it ended with ${code}`}`)
  }
  const { user, secret } = read(output, program)
  if (secret === '') return undefined
  return user === '<token>' ? { kind: 'identity token', token: secret, origin: program } : { kind: 'password', user, password: secret, origin: program }
}

async function run(
  program: string, registry: string, env: Readonly<Record<string, string | undefined>>,
): Promise<{ readonly code: number | null; readonly output: string }> {
  const child = spawn(program, ['get'], { stdio: ['pipe', 'pipe', 'ignore'], env: { ...env }, timeout: HELPER_TIMEOUT_MS })
  const chunks: Buffer[] = []
  let bytes = 0
  child.stdout.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes <= MAX_OUTPUT_BYTES) chunks.push(chunk)
    else child.kill()
  })
  // It may end without reading; what it answers counts.
  child.stdin.on('error', () => undefined).end(registry)
  const { promise, resolve, reject } = Promise.withResolvers<number | null>()
  child.on('error', reject)
  child.on('close', resolve)
  try {
    return { code: await promise, output: Buffer.concat(chunks).toString('utf8') }
  } catch (cause) {
    throw new BrambleError('INVALID', hasCode(cause, 'ENOENT')
      ? `${program}, which the Docker configuration names for ${registry}, is not installed: install it, or name a file with --registry-auth FILE`
      : `${program} cannot be run: ${reasonOf(cause)}`, { cause })
  }
}

function read(output: string, program: string): { readonly user: string; readonly secret: string } {
  try {
    const json: unknown = JSON.parse(output)
    if (typeof json === 'object' && json !== null && 'Username' in json && 'Secret' in json
      && typeof json.Username === 'string' && typeof json.Secret === 'string') return { user: json.Username, secret: json.Secret }
  } catch {
    // Told below, without the output: it may hold the secret.
  }
  throw new BrambleError('INVALID', `${program} did not answer with a user and a secret`)
}
