/**
 * SQLite as sql.js brings it, on a file of ours. sql.js keeps its files to itself, so the few system calls that SQLite makes
 * are wrapped where the WebAssembly module imports them; their names are what the pinned build calls them
 * (`test/functions/data/engine/sqlite.test.ts` compares the module's hash).
 */
import initSqlJs, { type Import, type Imports } from 'sql.js/dist/sql-wasm.js'
import { DataError } from './errors.ts'
import { takeHeap, type HeapShare } from './heap.ts'
import type { PagedFile } from './paged-file.ts'

/** The calls of SQLite's C interface that sql.js exports, and that are used here; addresses are numbers. */
export type Calls = {
  sqlite3_open(path: number, db: number): number
  sqlite3_close_v2(db: number): number
  sqlite3_prepare_v2(db: number, sql: number, bytes: number, statement: number, tail: number): number
  sqlite3_step(statement: number): number
  sqlite3_reset(statement: number): number
  sqlite3_finalize(statement: number): number
  sqlite3_clear_bindings(statement: number): number
  sqlite3_errmsg(db: number): number
  sqlite3_changes(db: number): number
  sqlite3_column_count(statement: number): number
  sqlite3_column_name(statement: number, column: number): number
  sqlite3_column_type(statement: number, column: number): number
  sqlite3_column_double(statement: number, column: number): number
  sqlite3_column_text(statement: number, column: number): number
  sqlite3_column_blob(statement: number, column: number): number
  sqlite3_column_bytes(statement: number, column: number): number
  sqlite3_bind_int(statement: number, index: number, value: number): number
  sqlite3_bind_double(statement: number, index: number, value: number): number
  sqlite3_bind_text(statement: number, index: number, text: number, bytes: number, free: number): number
  sqlite3_bind_blob(statement: number, index: number, blob: number, bytes: number, free: number): number
  sqlite3_bind_parameter_index(statement: number, name: number): number
  malloc(bytes: number): number
  free(address: number): void
}

export type Sqlite = {
  readonly calls: Calls
  /** Of the module; another array after it has grown. */
  memory(): Buffer<ArrayBuffer>
  memoryView(): DataView
  /** Nothing may be written while it is set. */
  setReadOnly(isReadOnly: boolean): void
  /**
   * Whether a write was refused since this was asked last. The connection is no good any more; after `too large` the file is neither what it
   * was nor what it was to become.
   */
  refusedWrite(): 'read only' | 'too large' | undefined
  /** The path to open; it opens once at a time, and nothing else does. */
  readonly path: string
}

export type SqliteLimits = {
  /** Of SQLite's own memory: caches, sorting, the values of a statement. */
  readonly heapBytes: number
  /** Of the memory that all threads share. */
  readonly heap: HeapShare
  /** That one transaction may change. */
  readonly changeBytes: number
}

/** What the pinned build calls the system calls that are wrapped. */
const NAMES = { open: 'x', read: 't', write: 'q', seek: 'E', status: 'g', truncate: 'J', sync: 'K', close: 'e', grow: 'l' } as const
const PATH = '/database'
/** Error numbers of WASI, as the build uses them. */
const EACCES = 2
const EIO = 29
/** Where a file's size lies in the answer of `fstat`. */
const STATUS_SIZE_OFFSET = 24

let isLoaded = false

/** Once in a thread. `compiled` comes from `sqliteModule`. */
export async function loadSqlite(compiled: object, file: PagedFile, limits: SqliteLimits): Promise<Sqlite> {
  if (isLoaded) throw new DataError('INTERNAL', 'sql.js is loaded once in a thread')
  isLoaded = true
  let position = 0
  let descriptor: number | undefined
  let isReadOnly = false
  let refused: 'read only' | 'too large' | undefined
  let buffer: WebAssembly.Memory | undefined
  let bytes = Buffer.alloc(0)
  let view = new DataView(new ArrayBuffer(0))

  const refresh = (): void => {
    if (buffer === undefined) throw new DataError('INTERNAL', 'sql.js has no memory yet')
    if (bytes.buffer === buffer.buffer) return
    bytes = Buffer.from(buffer.buffer)
    view = new DataView(buffer.buffer)
  }
  const text = (address: number): string => {
    refresh()
    return bytes.toString('utf8', address, bytes.indexOf(0, address))
  }
  const wrap = (original: Readonly<Record<string, Import>>): Record<string, Import> => {
    const of = (name: keyof typeof NAMES): Import => {
      const call = original[NAMES[name]]
      if (call === undefined) throw new DataError('INTERNAL', `this build of sql.js has no import ${NAMES[name]}: look up the names of its system calls`)
      return call
    }
    const { open, read, write, seek, status, truncate, sync, close, grow } = Object.fromEntries(
      Object.keys(NAMES).map((name) => [name, of(name as keyof typeof NAMES)])) as Record<keyof typeof NAMES, Import>
    return {
      ...original,
      [NAMES.open](folder = 0, path = 0, flags = 0, rest = 0) {
        const name = text(path)
        if (name === PATH && descriptor === undefined) {
          const opened = open(folder, path, flags, rest)
          if (opened >= 0) descriptor = opened
          return opened
        }
        // The seed of random(). Anything else is ATTACH, VACUUM INTO or a journal on a disk.
        return name === '/dev/urandom' ? open(folder, path, flags, rest) : -EACCES
      },
      [NAMES.seek](fd = 0, offset = 0, whence = 0, result = 0) {
        if (fd !== descriptor) return seek(fd, offset, whence, result)
        refresh()
        // A 64-bit value comes as a bigint; the database opens with positions from the start only.
        position = Number(offset)
        view.setBigInt64(result, BigInt(offset), true)
        return 0
      },
      [NAMES.read](fd = 0, vectors = 0, count = 0, result = 0) {
        if (fd !== descriptor) return read(fd, vectors, count, result)
        refresh()
        let done = 0
        for (let index = 0; index < count; index++) {
          const start = view.getUint32(vectors + index * 8, true)
          const length = view.getUint32(vectors + index * 8 + 4, true)
          const got = file.read(bytes.subarray(start, start + length), position)
          position += got
          done += got
          if (got < length) break
        }
        view.setUint32(result, done, true)
        return 0
      },
      [NAMES.write](fd = 0, vectors = 0, count = 0, result = 0) {
        if (fd !== descriptor) return write(fd, vectors, count, result)
        refresh()
        if (isReadOnly) {
          refused = 'read only'
          return EIO
        }
        if (file.changedBytes() > limits.changeBytes) {
          refused = 'too large'
          return EIO
        }
        let done = 0
        for (let index = 0; index < count; index++) {
          const start = view.getUint32(vectors + index * 8, true)
          const length = view.getUint32(vectors + index * 8 + 4, true)
          file.write(bytes.subarray(start, start + length), position)
          position += length
          done += length
        }
        view.setUint32(result, done, true)
        return 0
      },
      [NAMES.status](fd = 0, result = 0) {
        const code = status(fd, result)
        refresh()
        if (fd === descriptor) view.setBigInt64(result + STATUS_SIZE_OFFSET, BigInt(file.size()), true)
        return code
      },
      [NAMES.truncate](fd = 0, size = 0) {
        if (fd !== descriptor) return truncate(fd, size)
        if (isReadOnly) {
          refused = 'read only'
          return -EIO
        }
        file.truncate(Number(size))
        return 0
      },
      // Durable is what the log says.
      [NAMES.sync]: (fd = 0) => fd === descriptor ? 0 : sync(fd),
      [NAMES.close](fd = 0) {
        if (fd === descriptor) descriptor = undefined
        return close(fd)
      },
      [NAMES.grow](wanted = 0) {
        const size = wanted >>> 0
        const before = buffer?.buffer.byteLength ?? size
        // It takes up to a fifth more than it is asked for, to be asked less often.
        const most = Math.max(size, Math.ceil(before * 1.2))
        if (size > limits.heapBytes || !takeHeap(limits.heap, most - before)) return 0
        const grown = grow(wanted)
        takeHeap(limits.heap, (buffer?.buffer.byteLength ?? most) - most)
        return grown
      },
    }
  }

  const module = await initSqlJs({
    print: () => undefined,
    printErr: () => undefined,
    instantiateWasm(imports: Imports, done) {
      const made = new WebAssembly.Instance(compiled, Object.fromEntries(Object.entries(imports).map(([name, one]) => [name, wrap(one)])))
      buffer = Object.values(made.exports).find((one) => one instanceof WebAssembly.Memory)
      done(made)
      return made.exports
    },
  })
  const calls = Object.fromEntries(Object.entries(module).filter(([name]) => name.startsWith('_')).map(([name, call]) => [name.slice(1), call]))

  return {
    // The names are those of the C interface, whose types stand above.
    calls: calls as unknown as Calls,
    path: PATH,
    memory() {
      refresh()
      return bytes
    },
    memoryView() {
      refresh()
      return view
    },
    setReadOnly(value) { isReadOnly = value },
    refusedWrite() {
      const was = refused
      refused = undefined
      return was
    },
  }
}
