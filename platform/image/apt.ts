/** Debian packages of any architecture through this machine's apt, without root and without touching its state. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { BrambleError } from '../lib/errors.ts'
import type { LockedDeb } from './base-lock.ts'
import { diskError } from './disk-error.ts'
import { withFileLock } from './file-lock.ts'
import { programOutput } from './program.ts'

export type Apt = {
  /** The newest versions that this machine's sources have. */
  newest(names: readonly string[]): Promise<readonly LockedDeb[]>
  /** Downloads exactly these into `into`; whether they are what they should be is for the reader to check. */
  download(debs: readonly LockedDeb[], into: string): Promise<void>
}

export type AptOptions = {
  /** For its package lists. */
  readonly folder: string
  readonly architecture: string
  readonly signal?: AbortSignal | undefined
}

const REMEDY = 'the base of images is made of Debian packages; use --base with an image instead, as in --base node:24-slim'

/** Package lists and packages are some 15 MB: minutes over a bad line. */
const PATIENCE_MS = 300_000

export function createApt({ folder, architecture, signal }: AptOptions): Apt {
  const settings = [
    `Dir::State=${folder}`,
    `Dir::State::status=${join(folder, 'status')}`,
    `Dir::Cache=${join(folder, 'cache')}`,
    `APT::Architecture=${architecture}`,
    `APT::Architectures=${architecture}`,
    'Acquire::Languages=none',
    // Descriptions for software centres, of 4 MB.
    'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false',
    // As root apt would become a user who may not write here.
    'APT::Sandbox::User=root',
    'Acquire::Retries=3',
  ].flatMap((setting) => ['-o', setting])

  // apt itself does not wait for its lock: two builds at a time would fail.
  const apt = (args: readonly string[], cwd: string): Promise<string> => withFileLock(join(folder, 'turn'),
    () => programOutput('apt-get', ['-q', ...settings, ...args], { cwd, signal, remedy: REMEDY }), { patienceMs: PATIENCE_MS, signal })

  let updated: Promise<void> | undefined
  const update = (): Promise<void> => updated ??= (async () => {
    try {
      for (const part of ['lists/partial', 'cache/archives/partial']) await mkdir(join(folder, part), { recursive: true })
      await writeFile(join(folder, 'status'), '')
    } catch (error) {
      throw diskError(error, 'the list of Debian packages', folder)
    }
    await apt(['update'], folder)
  })()

  return {
    async newest(names) {
      await update()
      const lines = (await apt(['download', '--print-uris', ...names], folder)).split('\n')
      return names.map((name) => {
        // 'URI' NAME_VERSION_ARCHITECTURE.deb BYTES SHA256:HEX
        const found = lines.map((line) => /^'[^']*' (\S+)_(\S+)_\S+\.deb \d+ SHA256:([0-9a-f]{64})$/.exec(line.trim()))
          .find((match) => match?.[1] === name)
        const [, , version, sha256] = found ?? []
        if (!version || !sha256) throw new BrambleError('NOT_FOUND', `apt does not know the package ${name} for ${architecture}`)
        return { name, version: decodeURIComponent(version), sha256 }
      })
    },
    async download(debs, into) {
      await update()
      await mkdir(into, { recursive: true })
      await apt(['download', ...debs.map(({ name, version }) => `${name}=${version}`)], into)
    },
  }
}
