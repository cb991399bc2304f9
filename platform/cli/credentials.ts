/** User and password for a gateway: those `faas-cli login` saved, or those of the platform on this machine. */
import { existsSync } from 'node:fs'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { parse, stringify } from 'yaml'
import { BrambleError, hasCode, reasonOf } from '../lib/errors.ts'
import type { Io } from './command.ts'

export type Credential = {
  /** The `Authorization` header. */
  readonly header: string
  /** Where it was found, for errors. */
  readonly origin: string
}

type SavedLogin = { readonly gateway: string; readonly auth: string; readonly token: string }

const DEFAULT_USER = 'admin'
const FILE_MODE = 0o600
const FOLDER_MODE = 0o700

export async function findCredentials(io: Io, url: string): Promise<readonly Credential[]> {
  const file = configFile(io)
  const saved = (await readLogins(file)).find((login) => login.gateway === url)
  const found: Credential[] = []
  if (saved) found.push({ header: `${saved.auth === 'basic' ? 'Basic' : 'Bearer'} ${saved.token}`, origin: file })
  if (isLoopback(url)) {
    const folder = resolve(io.cwd, io.env['data_dir'] || '.bramble')
    const password = await readTrimmed(join(folder, 'basic-auth-password'))
    if (password !== undefined) {
      const user = await readTrimmed(join(folder, 'basic-auth-user')) ?? DEFAULT_USER
      found.push({ header: basicHeader(user, password), origin: join(folder, 'basic-auth-password') })
    }
  }
  return found
}

export function basicHeader(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
}

/** In the file and form that faas-cli uses, so that one login is good for both. Answers the file. */
export async function saveLogin(io: Io, url: string, user: string, password: string): Promise<string> {
  const file = configFile(io)
  const others = (await readLogins(file)).filter((login) => login.gateway !== url)
  const token = Buffer.from(`${user}:${password}`).toString('base64')
  await mkdir(dirname(file), { recursive: true, mode: FOLDER_MODE })
  await writeFile(`${file}.new`, stringify({ auths: [...others, { gateway: url, auth: 'basic', token }] }), { mode: FILE_MODE })
  await rename(`${file}.new`, file)
  return file
}

function configFile(io: Io): string {
  const chosen = io.env['OPENFAAS_CONFIG']
  const folder = chosen ? resolve(io.cwd, chosen)
    : io.env['CI'] === 'true' ? resolve(io.cwd, '.openfaas')
      : join(io.env['HOME'] || homedir(), '.openfaas')
  return /\.ya?ml$/.test(folder) ? folder : join(folder, 'config.yml')
}

/** What is not a login is left out. */
async function readLogins(file: string): Promise<readonly SavedLogin[]> {
  if (!existsSync(file)) return []
  let content: unknown
  try {
    content = parse(await readFile(file, 'utf8'), { logLevel: 'silent' })
  } catch (cause) {
    throw new BrambleError('INVALID', `${file} cannot be read: ${reasonOf(cause).split('\n', 1)[0]}`, { cause })
  }
  const auths: unknown = typeof content === 'object' && content !== null && 'auths' in content ? content.auths : []
  return (Array.isArray(auths) ? auths : []).flatMap((entry: unknown) =>
    typeof entry === 'object' && entry !== null && 'gateway' in entry && 'auth' in entry && 'token' in entry
      && typeof entry.gateway === 'string' && typeof entry.auth === 'string' && typeof entry.token === 'string'
      ? [{ gateway: entry.gateway, auth: entry.auth, token: entry.token }] : [])
}

async function readTrimmed(file: string): Promise<string | undefined> {
  try {
    return (await readFile(file, 'utf8')).trim() || undefined
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR') || hasCode(error, 'EACCES')) return undefined
    throw error
  }
}

function isLoopback(url: string): boolean {
  const { hostname } = new URL(url)
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.[0-9]{1,3}){3}$/.test(hostname)
}
