/** The image of the platform itself: gateway and control plane upon the same base as the functions. */
import { join } from 'node:path'
import { readdir, readFile } from 'node:fs/promises'
import { BrambleError, hasCode } from '../lib/errors.ts'
import { makeProgramImage, type MadeImage, type ProgramImageOptions } from './program-image.ts'
import type { TarEntry } from './tar.ts'

export type PlatformImageOptions = ProgramImageOptions & {
  /** What the build made: `dist`. */
  readonly folder: string
  readonly version: PlatformVersion
}
export type PlatformVersion = { readonly release: string; readonly sha: string }

const HOME = 'home/bramble'
/** The command is for people, and needs the repository. */
const COMMAND = 'bramble.mjs'

/** The same input gives the same digest. `NOT_FOUND` when the platform has not been built. */
export async function makePlatformImage({ folder, version, ...options }: PlatformImageOptions): Promise<MadeImage> {
  const entries: TarEntry[] = [{ path: `${HOME}/index.mjs`, type: 'file', mode: 0o644, content: Buffer.from(startText(version)) }]
  for (const name of await programFiles(folder)) {
    entries.push({ path: `${HOME}/${name}`, type: 'file', mode: 0o644, content: await readFile(join(folder, name)) })
  }
  return makeProgramImage(options, {
    title: 'platform',
    entries,
    config: {
      ExposedPorts: { '8080/tcp': {}, '8082/tcp': {} },
      // A container's own loopback address leads nowhere.
      Env: ['NODE_ENV=production', 'host=0.0.0.0'],
      // As `npm start` does it; docs/performance.md says why.
      Cmd: ['node', '--max-semi-space-size=2', '--no-concurrent-recompilation', 'index.mjs'],
      WorkingDir: `/${HOME}`,
    },
  })
}

/** The file that starts it. */
export function startText(version: PlatformVersion): string {
  return `import { main } from './platform.mjs'\nprocess.exitCode = await main(process.env, { version: ${JSON.stringify(version)} })\n`
}

/** The platform, the programs that it starts, and their maps. */
async function programFiles(folder: string): Promise<readonly string[]> {
  const found = await readdir(folder).catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return []
    throw error
  })
  const names = found.filter((name) => /\.mjs(?:\.map)?$/.test(name) && !name.startsWith(COMMAND))
  if (names.includes('platform.mjs')) return names
  throw new BrambleError('NOT_FOUND', `there is no ${join(folder, 'platform.mjs')}: build it first with "npm run build"`)
}
