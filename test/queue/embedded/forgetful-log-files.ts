/**
 * A disk in memory that forgets: names and contents survive a power cut for sure only once they are synced, and a
 * `Loss` says what becomes of the rest.
 */
import { dirname } from 'node:path'
import { createPower, type CutOptions, type IgnoresSync as Ignores, type Step as CutStep } from '../../power-cut.ts'
import type { LogFile, LogFiles } from '../../../platform/queue/embedded/log-files.ts'

type FileNode = { data: Buffer; synced: Buffer }
type FolderNode = { names: Map<string, FileNode>; synced: Map<string, FileNode>; removed: [string, FileNode][] }

/**
 * What a cut leaves of what was not synced. `nothing`: neither names nor contents. `names`: all changes of names, no
 * contents. `torn`: all names, and the first half of the contents. `holes`: all names and lengths, but zeros instead of the
 * first half. `zombie`: all, but the file that was removed first is back.
 */
export type Loss = 'nothing' | 'names' | 'torn' | 'holes' | 'zombie'
export const losses: readonly Loss[] = ['nothing', 'names', 'torn', 'holes', 'zombie']

export type Step = CutStep<'makeFolder' | 'syncFolder' | 'create' | 'remove' | 'write' | 'truncate' | 'sync'>
export type IgnoresSync = Ignores<Step['call']>

export type View = LogFiles & { readonly steps: readonly Step[]; isDead(): boolean }

export type ForgetfulDisk = {
  /** A view for one process, which dies in its `cutAt`th changing call. */
  view(options?: CutOptions<Step['call']>): View
  /** A disk with what a cut at this moment would leave. */
  survivors(loss: Loss): ForgetfulDisk
}

/** `/` exists and is durable. */
export function createForgetfulDisk(initial?: ReadonlyMap<string, FolderNode>): ForgetfulDisk {
  const folders = new Map<string, FolderNode>(initial ?? [['/', emptyFolder()]])
  /** Folders whose name in the folder above is synced. */
  const durable = new Set<string>(folders.keys())

  const folderOf = (path: string): FolderNode => {
    const folder = folders.get(path)
    if (folder === undefined) throw new Error(`there is no folder ${path}`)
    return folder
  }

  const view: ForgetfulDisk['view'] = (options = {}) => {
    const { steps, isDead, check, step } = createPower<Step['call']>(options)
    const fileOf = (path: string, node: FileNode): LogFile => ({
      size: () => node.data.length,
      read(target, offset) {
        check()
        return node.data.copy(target, 0, offset)
      },
      write(bytes, offset) {
        const put = (part: Buffer): void => {
          const end = offset + part.length
          const data = Buffer.alloc(Math.max(node.data.length, end))
          node.data.copy(data)
          part.copy(data, offset)
          node.data = data
        }
        step('write', path, () => put(bytes), () => put(bytes.subarray(0, bytes.length / 2)))
      },
      truncate: (size) => step('truncate', path, () => { node.data = Buffer.from(node.data.subarray(0, size)) }),
      sync: () => step('sync', path, () => { node.synced = node.data }),
      close: () => undefined,
    })
    return {
      steps,
      isDead,
      names(folder) {
        check()
        return [...folderOf(folder).names.keys()]
      },
      makeFolder: (path) => step('makeFolder', path, () => {
        folderOf(dirname(path))
        if (!folders.has(path)) folders.set(path, emptyFolder())
      }),
      syncFolder: (path) => step('syncFolder', path, () => {
        const folder = folderOf(path)
        folder.synced = new Map(folder.names)
        folder.removed = []
        for (const one of folders.keys()) if (dirname(one) === path) durable.add(one)
      }),
      create(path) {
        const node: FileNode = { data: Buffer.alloc(0), synced: Buffer.alloc(0) }
        step('create', path, () => { folderOf(dirname(path)).names.set(path.slice(dirname(path).length + 1), node) })
        return fileOf(path, node)
      },
      open(path) {
        check()
        const node = folderOf(dirname(path)).names.get(path.slice(dirname(path).length + 1))
        if (node === undefined) throw new Error(`there is no file ${path}`)
        return fileOf(path, node)
      },
      exists(path) {
        check()
        return folderOf(dirname(path)).names.has(path.slice(dirname(path).length + 1))
      },
      freeBytes: () => Infinity,
      remove: (path) => step('remove', path, () => {
        const folder = folderOf(dirname(path))
        const name = path.slice(dirname(path).length + 1)
        const node = folder.names.get(name)
        folder.names.delete(name)
        if (node !== undefined) folder.removed.push([name, node])
      }),
    }
  }

  return {
    view,
    survivors(loss) {
      const left = new Map<string, FolderNode>()
      for (const [path, folder] of folders) {
        if (loss === 'nothing' && !isDurable(path, durable)) continue
        const names = new Map([...loss === 'nothing' ? folder.synced : folder.names, ...loss === 'zombie' ? folder.removed.slice(0, 1) : []])
        const kept = new Map([...names].map(([name, node]): [string, FileNode] => {
          const data = contentAfter(node, loss)
          return [name, { data, synced: data }]
        }))
        left.set(path, { names: kept, synced: new Map(kept), removed: [] })
      }
      return createForgetfulDisk(left)
    },
  }
}

function emptyFolder(): FolderNode {
  return { names: new Map(), synced: new Map(), removed: [] }
}

function isDurable(path: string, durable: ReadonlySet<string>): boolean {
  return path === '/' || (durable.has(path) && isDurable(dirname(path), durable))
}

function contentAfter({ data, synced }: FileNode, loss: Loss): Buffer {
  if (loss === 'zombie') return Buffer.from(data)
  if (loss === 'nothing' || loss === 'names') return Buffer.from(synced)
  const grown = data.length - synced.length
  if (grown <= 0) return Buffer.from(synced)
  const half = synced.length + Math.floor(grown / 2)
  if (loss === 'torn') return Buffer.from(data.subarray(0, half))
  return Buffer.concat([data.subarray(0, synced.length), Buffer.alloc(half - synced.length), data.subarray(half)])
}
