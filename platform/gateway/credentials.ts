/** User and password of `/system`: from mounted secrets, else made on the first start and kept. */
import { randomBytes } from 'node:crypto'
import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { BrambleError, hasCode } from '../lib/errors.ts'

export type FoundCredentials = { readonly user: string; readonly password: string; readonly isNew: boolean }

const DEFAULT_USER = 'admin'
const PASSWORD_BYTES = 24
const FILE_MODE = 0o600
const DIRECTORY_MODE = 0o700

export async function findCredentials(options: {
  readonly secretMountPath: string
  readonly dataDir: string
}): Promise<FoundCredentials> {
  const { secretMountPath, dataDir } = options
  const mounted = await readTrimmed(join(secretMountPath, 'basic-auth-password'))
  if (mounted !== undefined) {
    const user = await readTrimmed(join(secretMountPath, 'basic-auth-user')) ?? DEFAULT_USER
    return { user, password: mounted, isNew: false }
  }
  const file = join(dataDir, 'basic-auth-password')
  const kept = await readTrimmed(file)
  if (kept !== undefined) return { user: DEFAULT_USER, password: kept, isNew: false }
  const password = randomBytes(PASSWORD_BYTES).toString('base64url')
  await mkdir(dataDir, { recursive: true, mode: DIRECTORY_MODE })
  await writeDurably(file, `${password}\n`)
  return { user: DEFAULT_USER, password, isNew: true }
}

/** `undefined` when there is no such file. An empty one is a mistake that would leave the door open. */
async function readTrimmed(file: string): Promise<string | undefined> {
  try {
    const text = (await readFile(file, 'utf8')).trim()
    if (text === '') throw new BrambleError('INVALID', `${file} is empty; write the password into it or remove it`)
    return text
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR')) return undefined
    throw error
  }
}

async function writeDurably(file: string, text: string): Promise<void> {
  const temporary = `${file}.new`
  const handle = await open(temporary, 'w', FILE_MODE)
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(temporary, file)
  const folder = await open(join(file, '..'), 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
