/** Debian's buildah as a program that builds images, with a storage of its own in a temporary folder. */
import { execFile } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { hostPlatform } from './own-bases.ts'
import type { RegistryServer } from './registry-server.ts'

export type Buildah = AsyncDisposable & {
  /**
   * Builds a context for each of these architectures, and pushes the result as one image. This machine's npm settings are there
   * while it builds, and not in what it makes.
   */
  publish(image: string, context: string, options: PublishOptions): Promise<void>
  /** That goes with it, for a test's own files. */
  readonly folder: string
}

export type PublishOptions = {
  readonly architectures: readonly string[]
  readonly buildArguments: Readonly<Record<string, string>>
  /** In the context. */
  readonly dockerfile?: string
}

const MAX_OUTPUT_BYTES = 20_000_000
const execute = promisify(execFile)

/** With the right to pull from, and push to, `server`. */
export async function createBuildah(server: RegistryServer): Promise<Buildah> {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-buildah-'))
  const certificates = join(folder, 'certificates')
  await mkdir(certificates)
  await copyFile(server.caFile, join(certificates, 'ca.crt'))
  const storage = ['--root', join(folder, 'storage'), '--runroot', join(folder, 'run'), '--storage-driver', 'vfs']
  const access = ['--cert-dir', certificates, '--authfile', server.authFile]
  const env = { ...process.env, TMPDIR: folder, BUILDAH_ISOLATION: 'chroot' }

  const buildah = async (args: readonly string[], cwd = folder): Promise<void> => {
    await execute('buildah', [...storage, ...args], { cwd, env, maxBuffer: MAX_OUTPUT_BYTES })
  }

  const npm = await npmOptions(folder)
  return {
    folder,
    async publish(image, context, { architectures, buildArguments, dockerfile = 'Dockerfile' }) {
      for (const architecture of architectures) {
        // Docker's BuildKit sets these two by itself; this version of buildah has to be told.
        const platforms = { BUILDPLATFORM: `linux/${hostPlatform.architecture}`, TARGETPLATFORM: `linux/${architecture}` }
        await buildah([
          'build', ...access, '--platform', `linux/${architecture}`, ...npm, '--file', dockerfile, '--manifest', image,
          ...Object.entries({ ...platforms, ...buildArguments }).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]), '.',
        ], context)
      }
      await buildah(['manifest', 'push', ...access, '--all', image, `docker://${image}`])
    },
    async [Symbol.asyncDispose]() {
      await buildah(['rm', '--all'])
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Registry and authority as npm here has them, as a file in the place of npm's own settings. */
async function npmOptions(folder: string): Promise<readonly string[]> {
  const setting = async (name: string): Promise<string | undefined> => {
    const value = (await execute('npm', ['config', 'get', name])).stdout.trim()
    return value === 'null' || value === 'undefined' || value === '' ? undefined : value
  }
  const npmrc = join(folder, 'npmrc')
  const authority = await setting('cafile') ?? process.env['NODE_EXTRA_CA_CERTS']
  const lines = [`registry=${await setting('registry')}`, ...(authority === undefined ? [] : ['cafile=/run/npm-authority.pem'])]
  await writeFile(npmrc, `${lines.join('\n')}\n`)
  const volumes = [`${npmrc}:/usr/local/etc/npmrc:ro`, ...(authority === undefined ? [] : [`${authority}:/run/npm-authority.pem:ro`])]
  return volumes.flatMap((volume) => ['--volume', volume])
}
