/**
 * Who we are to a registry: out of a file in the form of Docker's `config.json`, or that file itself, with its
 * credential helpers. Secrets are never logged and never part of an error.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { BrambleError, hasCode, reasonOf } from '../lib/errors.ts'
import { askHelper } from './credential-helper.ts'
import { DEFAULT_REGISTRY } from './reference.ts'

export type Credential = {
  /** For errors: the file, or the helper. */
  readonly origin: string
} & ({ readonly kind: 'password'; readonly user: string; readonly password: string }
  /** What `docker login` keeps for registries that give no password away. */
  | { readonly kind: 'identity token'; readonly token: string })

export type Credentials = {
  /** `undefined` when none is known. `INVALID` for a file or helper that cannot be understood. */
  find(registry: string, repository: string): Promise<Credential | undefined>
}

export type CredentialSource = {
  /** A file somebody named: it must be there. */
  readonly file?: string | undefined
  /** Docker's own folder, asked when no file is named. */
  readonly dockerFolder: string
  /** For helpers: PATH, and what they read themselves. */
  readonly env: Readonly<Record<string, string | undefined>>
}

type Fields = ReadonlyMap<string, unknown>

/** Docker Hub's entry has this name since its first version. */
const DOCKER_HUB_KEY = 'https://index.docker.io/v1/'
/** A few logins; a file beyond this is something else. */
const MAX_FILE_BYTES = 1_000_000

export function createCredentials({ file, dockerFolder, env }: CredentialSource): Credentials {
  const path = file ?? join(dockerFolder, 'config.json')
  let content: Promise<Fields> | undefined

  return {
    async find(registry, repository) {
      content ??= readFields(path, file !== undefined)
      const config = await content
      const key = registry === DEFAULT_REGISTRY ? DOCKER_HUB_KEY : registry
      const helpers = asFields(config.get('credHelpers'))
      const helper = helpers.get(registry) ?? helpers.get(key) ?? config.get('credsStore')
      if (typeof helper === 'string' && helper !== '') {
        const found = await askHelper(helper, key, env)
        if (found) return found
      }
      return inAuths(asFields(config.get('auths')), registry, repository, path)
    },
  }
}

async function readFields(path: string, isRequired: boolean): Promise<Fields> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    const isMissing = hasCode(cause, 'ENOENT') || hasCode(cause, 'ENOTDIR')
    if (isMissing && !isRequired) return new Map()
    throw new BrambleError('INVALID', `the file ${path} with registry credentials ${isMissing ? 'does not exist' : `cannot be read: ${reasonOf(cause)}`}`, { cause })
  }
  if (text.length > MAX_FILE_BYTES) throw new BrambleError('INVALID', `the file ${path} is too large for registry credentials`)
  try {
    return asFields(JSON.parse(text))
  } catch {
    // No cause: the parser's message quotes the file.
    throw new BrambleError('INVALID', `the file ${path} with registry credentials is no JSON: write it with "docker login", or by hand as {"auths": {"REGISTRY": {"auth": "base64 of USER:PASSWORD"}}}`)
  }
}

/** The longest key that the repository lies below wins, as Podman has it; Docker's keys are registries alone. */
function inAuths(auths: Fields, registry: string, repository: string, path: string): Credential | undefined {
  const whole = `${registry}/${repository}`
  const [best] = [...auths]
    .map(([key, entry]) => ({ key, name: nameOfKey(key), entry }))
    .filter(({ name }) => whole === name || whole.startsWith(`${name}/`))
    .sort((a, b) => b.name.length - a.name.length)
  if (!best) return undefined
  const fields = asFields(best.entry)
  const origin = `${path} ("${best.key}")`
  const identity = text(fields, 'identitytoken')
  if (identity) return { kind: 'identity token', token: identity, origin }
  const auth = text(fields, 'auth')
  if (auth) return fromBase64(auth, origin)
  const user = text(fields, 'username')
  const password = text(fields, 'password')
  return user && password ? { kind: 'password', user, password, origin } : undefined
}

/** `https://index.docker.io/v1/` → `docker.io`, `https://registry.local:5000/v2/` → `registry.local:5000`. */
function nameOfKey(key: string): string {
  const name = key.replace(/^https?:\/\//, '').replace(/\/v[12]\/?$/, '').replace(/\/+$/, '')
  return name === 'index.docker.io' || name === 'registry-1.docker.io' ? DEFAULT_REGISTRY : name
}

function fromBase64(auth: string, origin: string): Credential {
  const decoded = Buffer.from(auth, 'base64').toString('utf8')
  const colon = decoded.indexOf(':')
  if (colon < 1) throw new BrambleError('INVALID', `"auth" in ${origin} must be the base64 of USER:PASSWORD: log in again`)
  return { kind: 'password', user: decoded.slice(0, colon), password: decoded.slice(colon + 1).replace(/\0+$/, ''), origin }
}

function asFields(value: unknown): Fields {
  return new Map(typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : [])
}

function text(fields: Fields, name: string): string | undefined {
  const value = fields.get(name)
  return typeof value === 'string' && value !== '' ? value : undefined
}
