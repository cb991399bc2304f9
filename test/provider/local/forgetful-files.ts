/**
 * A disk that forgets. Every call works on a real folder, and a model beside it knows what a power cut would leave:
 * names and contents survive for sure only once they are synced. `survivors` writes that into another folder.
 */
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { nodeFiles, type Files } from '../../../platform/lib/files.ts'

type FileNode = { readonly kind: 'file'; readonly mode: number; data: Buffer; synced: Buffer | undefined }
type FolderNode = { readonly kind: 'folder'; readonly mode: number; readonly names: Map<string, Node>; synced: Map<string, Node> }
type Node = FileNode | FolderNode

/**
 * What a cut leaves of what was not synced. `nothing`: neither names nor contents. `names`: all changes of names, but
 * of contents nothing, as journals do it. `torn`: all changes of names, and half of each content.
 */
export type Loss = 'nothing' | 'names' | 'torn'
export const losses: readonly Loss[] = ['nothing', 'names', 'torn']

export type Step = { readonly call: 'write' | 'copy' | 'sync' | 'rename' | 'remove' | 'removeTree' | 'makeFolder'; readonly path: string }

export type ForgetfulFiles = Files & {
  readonly steps: readonly Step[]
  /** Resolves when the cut has come. */
  readonly dead: Promise<void>
}

export type ForgetfulDisk = {
  /** A view for one process; after `cutAt` changing calls it is dead: that call and all later ones never end. */
  files(options?: { readonly cutAt?: number; readonly ignoresSync?: (path: string) => boolean }): ForgetfulFiles
  /** Writes what a cut at this moment would leave into a folder. */
  survivors(loss: Loss, target: string): Promise<void>
}

/** `root` exists and is durable; everything happens below it. */
export function createForgetfulDisk(root: string): ForgetfulDisk {
  const top: FolderNode = { kind: 'folder', mode: 0o700, names: new Map(), synced: new Map() }

  const find = (path: string): Node | undefined => {
    let node: Node | undefined = top
    for (const part of partsOf(path)) node = node?.kind === 'folder' ? node.names.get(part) : undefined
    return node
  }
  const folderOf = (path: string): FolderNode => {
    const node = find(dirname(path))
    if (node?.kind !== 'folder') throw new Error(`the model has no folder ${dirname(path)}`)
    return node
  }
  const partsOf = (path: string): string[] => {
    if (path !== root && !path.startsWith(`${root}/`)) throw new Error(`${path} is outside of the forgetful disk`)
    return path.slice(root.length).split('/').filter((part) => part !== '')
  }
  const nameOf = (path: string): string => partsOf(path).at(-1) ?? ''
  const put = (path: string, data: Buffer, mode: number): void => {
    const present = find(path)
    // The same file written again: what was synced before may be lost, as its blocks are replaced.
    if (present?.kind === 'file') Object.assign(present, { data, synced: undefined })
    else folderOf(path).names.set(nameOf(path), { kind: 'file', mode, data, synced: undefined })
  }

  const files: ForgetfulDisk['files'] = ({ cutAt = Infinity, ignoresSync = () => false } = {}) => {
    const steps: Step[] = []
    const never = new Promise<never>(() => undefined)
    const dead = Promise.withResolvers<void>()
    let isDead = false
    const step = async (call: Step['call'], path: string, body: () => Promise<void>, half?: () => void): Promise<void> => {
      if (isDead) return never
      steps.push({ call, path })
      if (steps.length >= cutAt) {
        isDead = true
        half?.()
        dead.resolve()
        return never
      }
      await body()
    }
    return {
      steps,
      dead: dead.promise,
      read: (path) => (isDead ? never : nodeFiles.read(path)),
      names: (folder) => (isDead ? never : nodeFiles.names(folder)),
      write(path, data, mode) {
        const bytes = Buffer.from(data)
        return step('write', path, async () => {
          await nodeFiles.write(path, data, mode)
          put(path, bytes, mode)
        }, () => put(path, bytes.subarray(0, bytes.length / 2), mode))
      },
      copy: (from, to, mode) => step('copy', to, async () => {
        await nodeFiles.copy(from, to, mode)
        put(to, await readFile(to), mode)
      }),
      sync: (path) => step('sync', path, async () => {
        // The model decides what survives; the real disk need not be bothered.
        await stat(path)
        if (ignoresSync(path)) return
        const node = find(path)
        if (node?.kind === 'file') node.synced = node.data
        else if (node?.kind === 'folder') node.synced = new Map(node.names)
      }),
      rename: (from, to) => step('rename', to, async () => {
        await nodeFiles.rename(from, to)
        const node = find(from)
        if (!node) throw new Error(`the model has no ${from}`)
        folderOf(from).names.delete(nameOf(from))
        folderOf(to).names.set(nameOf(to), node)
      }),
      remove: (path) => step('remove', path, async () => {
        await nodeFiles.remove(path)
        folderOf(path).names.delete(nameOf(path))
      }),
      removeTree: (path) => step('removeTree', path, async () => {
        await nodeFiles.removeTree(path)
        folderOf(path).names.delete(nameOf(path))
      }),
      makeFolder: (path, mode) => step('makeFolder', path, async () => {
        await nodeFiles.makeFolder(path, mode)
        folderOf(path).names.set(nameOf(path), { kind: 'folder', mode, names: new Map(), synced: new Map() })
      }),
    }
  }

  const writeOut = async (node: Node, loss: Loss, target: string): Promise<void> => {
    if (node.kind === 'folder') {
      if (!await stat(target).catch(() => undefined)) await mkdir(target, { mode: node.mode })
      for (const [name, one] of loss === 'nothing' ? node.synced : node.names) await writeOut(one, loss, join(target, name))
      return
    }
    const lost = loss === 'torn' ? node.data.subarray(0, node.data.length / 2) : Buffer.alloc(0)
    await writeFile(target, node.synced ?? lost, { mode: node.mode })
  }

  return { files, survivors: (loss, target) => writeOut(top, loss, target) }
}
