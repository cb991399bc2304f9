/**
 * Where replicas live while they run: the bundle, a folder of secrets, a folder of their own for everything else.
 * Started as root, all of it lies in a folder that every user may pass through but not list, the bundles belong to
 * root, and each function's folders to its own user id. Nothing here outlives the platform.
 */
import { randomBytes } from 'node:crypto'
import { chmod, chown, copyFile, link, mkdir, mkdtemp, readFile, readdir, realpath, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { BrambleError, hasCode, reasonOf } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'

export type Room = {
  readonly bundleFolder: string
  readonly secretsFolder: string
  readonly temporaryFolder: string
  leave(): Promise<void>
}

export type Rooms = {
  start(): Promise<void>
  stop(): Promise<void>
  /** The Node that every function may run. */
  nodePath(): string
  enter(wanted: RoomRequest): Promise<Room>
  /** A snapshot is gone: its copy goes too. */
  forgetBundle(id: string): Promise<void>
}

export type RoomRequest = {
  readonly instance: string
  readonly bundle: string
  readonly secrets: ReadonlyMap<string, Uint8Array>
  readonly user: number | undefined
}

export type RoomsDeps = {
  readonly dataDir: string
  readonly isRoot: boolean
  readonly nodePath: string
  readonly snapshotFolderOf: (bundle: string) => string
  readonly log: Log
}

const PREFIX = 'bramble-'
const OTHERS_MAY_PASS = 0o001
const OTHERS_MAY_READ_AND_RUN = 0o005

export function createRooms(deps: RoomsDeps): Rooms {
  const { dataDir, isRoot, snapshotFolderOf, log } = deps
  /** Names the folder outside of `dataDir`, so that the next start finds it after a kill. */
  const noteFile = join(dataDir, 'run-folder')
  let root = ''
  let nodePath = deps.nodePath
  const bundles = new Map<string, Promise<string>>()

  /** A function may have left folders that cannot be removed; that harms nobody. */
  const clear = (path: string): Promise<void> => rm(path, { recursive: true, force: true }).catch((error: unknown) => {
    log.warn('a folder could not be removed', { file: path, error: reasonOf(error) })
  })

  const removeStale = async (): Promise<void> => {
    const noted = await readFile(noteFile, 'utf8').catch(() => '')
    // Only what looks like one of ours: the note may be damaged.
    if (/\/bramble-[A-Za-z0-9]{6}$/.test(noted)) await clear(noted)
    await clear(join(dataDir, 'run'))
    await rm(noteFile, { force: true })
  }

  const openRoot = async (): Promise<void> => {
    if (!isRoot) {
      root = join(dataDir, 'run')
      await mkdir(root, { mode: 0o700, recursive: true })
    } else {
      const parent = await firstPassable([tmpdir(), '/tmp', '/var/tmp'])
      root = await mkdtemp(join(parent, PREFIX))
      await writeFile(noteFile, root, { mode: 0o600 })
      await chmod(root, 0o711)
    }
    for (const name of ['bundles', 'replicas']) {
      await mkdir(join(root, name), { recursive: true })
      await chmod(join(root, name), isRoot ? 0o711 : 0o700)
    }
    if (isRoot && !await isRunnableByOthers(deps.nodePath)) {
      await mkdir(join(root, 'bin'))
      await chmod(join(root, 'bin'), 0o755)
      nodePath = join(root, 'bin', 'node')
      await linkOrCopy(await realpath(deps.nodePath), nodePath, 0o755)
      log.debug('node is where functions may run it', { file: nodePath })
    }
  }

  /** The snapshot itself, or its copy where the function may read it. */
  const bundleFolder = (id: string): Promise<string> => {
    if (!isRoot) return Promise.resolve(snapshotFolderOf(id))
    const known = bundles.get(id)
    if (known) return known
    const made = shareTree(snapshotFolderOf(id), join(root, 'bundles', id))
    bundles.set(id, made)
    made.catch(() => bundles.delete(id))
    return made
  }

  return {
    nodePath: () => nodePath,

    async start() {
      await removeStale()
      await openRoot()
    },

    async stop() {
      bundles.clear()
      if (root !== '') await clear(root)
      await rm(noteFile, { force: true })
      root = ''
    },

    async enter({ instance, bundle, secrets, user }) {
      if (!await isThere(snapshotFolderOf(bundle))) {
        throw new BrambleError('NOT_FOUND', 'its bundle is gone from data_dir: deploy the function again')
      }
      const own = join(root, 'replicas', instance)
      const room = {
        bundleFolder: await bundleFolder(bundle),
        secretsFolder: join(own, 'secrets'),
        temporaryFolder: join(own, 'tmp'),
        leave: () => clear(own),
      }
      await mkdir(own)
      await chmod(own, isRoot ? 0o711 : 0o700)
      await mkdir(room.temporaryFolder, { mode: 0o700 })
      await mkdir(room.secretsFolder, { mode: 0o700 })
      const names = [...secrets.keys()].map((name) => join(room.secretsFolder, name))
      await Promise.all([...secrets].map(([name, value]) =>
        writeFile(join(room.secretsFolder, name), value, { mode: isRoot ? 0o400 : 0o600 })))
      if (user !== undefined) {
        for (const path of [...names, room.secretsFolder, room.temporaryFolder]) await chown(path, user, user)
      }
      return room
    },

    async forgetBundle(id) {
      if (bundles.delete(id)) await rm(join(root, 'bundles', id), { recursive: true, force: true })
    },
  }
}

function isThere(path: string): Promise<boolean> {
  return stat(path).then(() => true, () => false)
}

/** A copy of a folder that everybody may read; hard links where the file system allows them. */
async function shareTree(from: string, to: string): Promise<string> {
  const temporary = `${to}.${randomBytes(4).toString('hex')}`
  await mkdir(temporary)
  await chmod(temporary, 0o755)
  for (const entry of await readdir(from, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    const target = join(temporary, path.slice(from.length + 1))
    if (entry.isDirectory()) {
      await mkdir(target)
      await chmod(target, 0o755)
    } else await linkOrCopy(path, target, (await stat(path)).mode & 0o777)
  }
  await rm(to, { recursive: true, force: true })
  await rename(temporary, to)
  return to
}

async function linkOrCopy(from: string, to: string, mode: number): Promise<void> {
  try {
    await link(from, to)
  } catch (error) {
    if (!['EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP'].some((code) => hasCode(error, code))) throw error
    await copyFile(from, to)
    await chmod(to, mode)
  }
}

async function firstPassable(folders: readonly string[]): Promise<string> {
  for (const folder of folders) if (await isPassable(folder)) return folder
  throw new BrambleError('UNAVAILABLE',
    `functions get user ids of their own, but none of ${folders.join(', ')} is open to them: set TMPDIR to a folder that is`)
}

/** Whether every user may go through this folder and all above it. */
async function isPassable(folder: string): Promise<boolean> {
  const info = await stat(folder).catch(() => undefined)
  if (info === undefined || (info.mode & OTHERS_MAY_PASS) === 0) return false
  return dirname(folder) === folder || isPassable(dirname(folder))
}

async function isRunnableByOthers(file: string): Promise<boolean> {
  const real = await realpath(file)
  const { mode } = await stat(real)
  return (mode & OTHERS_MAY_READ_AND_RUN) === OTHERS_MAY_READ_AND_RUN &&
    await isPassable(dirname(real)) && await isPassable(dirname(file))
}
