/**
 * A disk in memory that forgets: names and contents survive a power cut for sure only once they are synced, and a
 * `Loss` says what becomes of the rest. It can be too small, too.
 */
import { basename, dirname, join } from 'node:path'
import { createPower, type CutOptions, type IgnoresSync as Ignores, type Step as CutStep } from '../../../power-cut.ts'
import type { DataFile, DataFiles } from '../../../../functions/data/engine/files.ts'

type FileNode = { data: Buffer; synced: Buffer }
type FolderNode = { names: Map<string, FileNode>; synced: Map<string, FileNode> }

/**
 * What a cut leaves of what was not synced. `nothing`: neither names nor contents. `names`: all changes of names, no
 * contents. `torn`: all names, and the first half of what is new in the contents. `holes`: all names and lengths, but zeros instead of the
 * first half. `removals`: of the changes of names only those that took one away. `zombie`: all, but what was removed first is back. `all`:
 * as if the process had only been killed.
 */
export type Loss = 'nothing' | 'names' | 'torn' | 'holes' | 'removals' | 'zombie' | 'all'
export const losses: readonly Loss[] = ['nothing', 'names', 'torn', 'holes', 'removals', 'zombie', 'all']

export type Step = CutStep<'makeFolder' | 'syncFolder' | 'create' | 'remove' | 'rename' | 'write' | 'truncate' | 'sync'>
export type IgnoresSync = Ignores<Step['call']>

export type View = DataFiles & { readonly steps: readonly Step[]; isDead(): boolean }

export type ForgetfulDisk = {
  /** A view for one process, which dies in its `cutAt`th changing call. */
  view(options?: CutOptions<Step['call']>): View
  /** A disk with what a cut at this moment would leave. */
  survivors(loss: Loss): ForgetfulDisk
  /** Changes what lies in a file, as a bad cell would. */
  damage(path: string, change: (content: Buffer) => Buffer): void
  paths(): readonly string[]
  /** Of all files together. */
  capacityBytes: number
}

/** `/` exists and is durable. */
export function createForgetfulDisk(initial?: ReadonlyMap<string, FolderNode>): ForgetfulDisk {
  const folders = new Map<string, FolderNode>(initial ?? [['/', { names: new Map(), synced: new Map() }]])
  /** Folders whose name in the folder above is synced. */
  const durable = new Set<string>(folders.keys())
  const disk = { capacityBytes: Infinity }

  const folderOf = (path: string): FolderNode => {
    const folder = folders.get(path)
    if (folder === undefined) throw systemError('ENOENT', path)
    return folder
  }
  const nodeOf = (path: string): FileNode => {
    const node = folderOf(dirname(path)).names.get(basename(path))
    if (node === undefined) throw systemError('ENOENT', path)
    return node
  }
  const usedBytes = (): number => [...folders.values()].flatMap(({ names }) => [...names.values()]).reduce((sum, { data }) => sum + data.length, 0)

  const view: ForgetfulDisk['view'] = (options = {}) => {
    const { steps, isDead, check, step } = createPower<Step['call']>(options)
    const fileOf = (path: string, node: FileNode): DataFile => {
      const file: DataFile = {
        size: async () => node.data.length,
        async read(target, offset) {
          check()
          const part = node.data.subarray(offset, offset + target.length)
          target.set(part)
          return part.length
        },
        async write(parts, offset) {
          const bytes = Buffer.concat(parts)
          const put = (part: Buffer): void => {
            const end = offset + part.length
            const data = Buffer.alloc(Math.max(node.data.length, end))
            node.data.copy(data)
            part.copy(data, offset)
            node.data = data
          }
          const room = disk.capacityBytes - usedBytes() - Math.max(0, offset + bytes.length - node.data.length)
          step('write', path, () => {
            // A full disk takes what fits.
            put(room < 0 ? bytes.subarray(0, Math.max(0, bytes.length + room)) : bytes)
            if (room < 0) throw systemError('ENOSPC', path)
          }, () => put(bytes.subarray(0, bytes.length / 2)))
        },
        async truncate(size) {
          step('truncate', path, () => {
            const data = Buffer.alloc(size)
            node.data.copy(data)
            node.data = data
          })
        },
        async sync() { step('sync', path, () => { node.synced = node.data }) },
        async writeThrough(parts, offset) {
          await file.write(parts, offset)
          await file.sync()
        },
        close: async () => undefined,
      }
      return file
    }
    return {
      steps,
      isDead,
      async names(folder) {
        check()
        const names = [...folders.get(folder)?.names.keys() ?? []]
        const below = [...folders.keys()].filter((path) => path !== folder && dirname(path) === folder).map((path) => basename(path))
        return [...names, ...below]
      },
      async makeFolder(path) {
        step('makeFolder', path, () => {
          for (let one = path; !folders.has(one); one = dirname(one)) folders.set(one, { names: new Map(), synced: new Map() })
        })
      },
      async syncFolder(path) {
        step('syncFolder', path, () => {
          const folder = folderOf(path)
          folder.synced = new Map(folder.names)
          for (const one of folders.keys()) if (dirname(one) === path) durable.add(one)
        })
      },
      async create(path) {
        const node: FileNode = { data: Buffer.alloc(0), synced: Buffer.alloc(0) }
        step('create', path, () => {
          if (folderOf(dirname(path)).names.has(basename(path))) throw systemError('EEXIST', path)
          folderOf(dirname(path)).names.set(basename(path), node)
        })
        return fileOf(path, node)
      },
      async open(path) {
        check()
        return fileOf(path, nodeOf(path))
      },
      async rename(from, to) {
        step('rename', from, () => {
          const node = nodeOf(from)
          folderOf(dirname(from)).names.delete(basename(from))
          folderOf(dirname(to)).names.set(basename(to), node)
        })
      },
      async remove(path) {
        step('remove', path, () => {
          nodeOf(path)
          folderOf(dirname(path)).names.delete(basename(path))
        })
      },
      async removeTree(path) {
        step('remove', path, () => { for (const one of [...folders.keys()]) if (`${one}/`.startsWith(`${path}/`)) folders.delete(one) })
      },
      freeBytes: async () => disk.capacityBytes - usedBytes(),
      lock: async () => () => undefined,
      whyNotDurable: async () => undefined,
    }
  }

  return Object.assign(disk, {
    view,
    survivors(loss: Loss) {
      const left = new Map<string, FolderNode>()
      for (const [path, folder] of folders) {
        if (loss === 'nothing' && !isDurable(path, durable)) continue
        const [firstRemoved] = [...folder.synced].filter(([name]) => !folder.names.has(name))
        const names = loss === 'nothing' ? folder.synced
          : loss === 'removals' ? new Map([...folder.synced].filter(([name]) => folder.names.has(name)))
          : loss === 'zombie' && firstRemoved !== undefined ? new Map([...folder.names, firstRemoved])
          : folder.names
        const kept = new Map([...names].map(([name, node]): [string, FileNode] => {
          const data = contentAfter(node, loss)
          return [name, { data, synced: data }]
        }))
        left.set(path, { names: kept, synced: new Map(kept) })
      }
      return createForgetfulDisk(left)
    },
    damage(path: string, change: (content: Buffer) => Buffer) {
      const node = nodeOf(path)
      node.data = change(Buffer.from(node.data))
      node.synced = node.data
    },
    paths: () => [...folders].flatMap(([folder, { names }]) => [...names.keys()].map((name) => join(folder, name))).sort(),
  })
}

/** Where many syncs one after the other would take their time. */
export function inMemory(): { readonly files: DataFiles; readonly folder: string } {
  return { files: createForgetfulDisk().view(), folder: '/data' }
}

function isDurable(path: string, durable: ReadonlySet<string>): boolean {
  return path === '/' || (durable.has(path) && isDurable(dirname(path), durable))
}

/** What differs from what was synced is new. */
function contentAfter({ data, synced }: FileNode, loss: Loss): Buffer {
  if (loss === 'all' || loss === 'zombie') return Buffer.from(data)
  if (loss === 'nothing' || loss === 'names' || loss === 'removals') return Buffer.from(synced)
  let from = 0
  while (from < data.length && data[from] === synced[from]) from++
  let to = data.length
  while (to > from && (data[to - 1] ?? 0) === (synced[to - 1] ?? 0)) to--
  if (from === to) return Buffer.from(synced.length > data.length ? synced : data)
  const half = Math.ceil((from + to) / 2)
  const old = Buffer.alloc(data.length)
  synced.copy(old)
  return loss === 'torn'
    ? Buffer.concat([data.subarray(0, half), synced.subarray(half)])
    : Buffer.concat([data.subarray(0, from), old.subarray(from, half), data.subarray(half)])
}

function systemError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code })
}
