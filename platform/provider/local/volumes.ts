/**
 * Folders of functions that ask for one: under `data_dir`, one for each name and namespace. They outlive their functions: data
 * is removed by its owner, not by a deployment.
 */
import { chmod, chown, readdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { BrambleError } from '../../lib/errors.ts'
import { ensureFolder, nodeFiles } from '../../lib/files.ts'
import { createGate, type Gate } from '../../lib/gate.ts'
import { serviceName } from '../../openfaas/names.ts'
import type { FunctionRef } from '../../openfaas/types.ts'

export type Volumes = {
  /** The folder of a function, made if need be, and its user's. One holds it at a time: the next one waits. */
  enter(ref: FunctionRef, user: number | undefined): Promise<Volume>
}

export type Volume = { readonly folder: string; leave(): void }

const OWNER_ONLY = 0o700
/** Who is not root may go through, not look around: what is in there is closed by itself. */
const PASSABLE = 0o711
const OTHERS_MAY_PASS = 0o001

export function createVolumes({ dataDir }: { readonly dataDir: string }): Volumes {
  const home = join(dataDir, 'volumes')
  const gates = new Map<string, Gate>()

  const prepare = async (folder: string, user: number | undefined): Promise<void> => {
    await ensureFolder(nodeFiles, folder, OWNER_ONLY)
    if (user === undefined) return
    for (const path of [dataDir, home]) await chmod(path, PASSABLE)
    const closed = await firstClosed(dirname(dataDir))
    if (closed !== undefined) {
      throw new BrambleError('UNAVAILABLE',
        `its volume would lie in ${dataDir}, but ${closed} is closed to all users but root: set data_dir to a folder that is open, /var/lib/bramble for example`)
    }
    // A function that was removed and deployed again has another user.
    if ((await stat(folder)).uid !== user) await giveTo(folder, user)
  }

  return {
    async enter(ref, user) {
      const folder = join(home, serviceName(ref))
      const gate = gates.get(folder) ?? createGate(1)
      gates.set(folder, gate)
      const leave = await gate.enter()
      try {
        await prepare(folder, user)
        return { folder, leave }
      } catch (error) {
        leave()
        throw error
      }
    },
  }
}

/** The nearest folder that other users cannot pass through. */
async function firstClosed(folder: string): Promise<string | undefined> {
  if (((await stat(folder)).mode & OTHERS_MAY_PASS) === 0) return folder
  return dirname(folder) === folder ? undefined : firstClosed(dirname(folder))
}

/** The folder itself last: it tells whether all of it was done. */
async function giveTo(folder: string, user: number): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isDirectory() || entry.isFile()) await chown(join(entry.parentPath, entry.name), user, user)
  }
  await chown(folder, user, user)
}
