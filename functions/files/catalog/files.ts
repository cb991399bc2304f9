/** Finding files, describing them, and putting them into the trash and back. */
import { checkIfMatch, etagOf } from '@bramble/runtime/service/etag'
import { notFound, Problem } from '@bramble/runtime/service/problem'
import type { Database, Row, Statement } from '@bramble/runtime/service/database'
import { checkDescription } from './check-description.ts'
import { checkRoom, ROOM_FOR_CHANGES } from './database-room.ts'
import { documentTag, readFile, readVersion, selectAnyVersion, selectFiles, selectVersions, type FileRow, type VersionRow } from './rows.ts'

export type ListQuery = {
  readonly owner: string
  /** Empty: all. */
  readonly folder: string
  readonly isRecursive: boolean
  readonly tag: string | undefined
  readonly after: string
  readonly limit: number
}

export type Patch = {
  readonly path?: string | undefined
  /** `null` takes one away. */
  readonly metadata?: Readonly<Record<string, string | null>> | undefined
  readonly tags?: readonly string[] | undefined
}

export type Files = {
  /** The current version, or the one that is named. Throws 404. */
  get(owner: string, path: string, version?: number): Promise<FileRow>
  /** In the trash too. Throws 404. */
  getById(id: string, version: number): Promise<FileRow>
  /** By path; `limit` + 1 at most. */
  list(query: ListQuery): Promise<readonly FileRow[]>
  /** Names of the folders in it, sorted, `MAX_FOLDERS` at most. */
  folders(owner: string, folder: string): Promise<readonly string[]>
  versions(id: string): Promise<readonly VersionRow[]>
  patch(owner: string, path: string, patch: Patch, ifMatch: string | undefined): Promise<FileRow>
  /** Into the trash. */
  remove(owner: string, path: string, ifMatch: string | undefined): Promise<void>
  trash(owner: string, after: string, limit: number): Promise<readonly FileRow[]>
  restore(owner: string, id: string, path: string | undefined): Promise<FileRow>
  /** For good: a file of the trash, or all that was below a folder; empty: all of the trash. Throws 404 for a file that is not in it. */
  purge(owner: string, which: { readonly id: string } | { readonly folder: string }): Promise<void>
}

const MAX_FOLDERS = 1000
export const MAX_METADATA = 32
/** Somebody else changed it between the look and the change; more often than this it is no accident. */
const MAX_TRIES = 20

export function createFiles({ db, nowMs }: { readonly db: Database; readonly nowMs: () => number }): Files {
  const first = async (sql: string, parameters: NonNullable<Statement['parameters']>, missing: string): Promise<FileRow> => {
    const [row] = await db.query(sql, parameters)
    if (row === undefined) throw notFound(missing)
    return readFile(row)
  }
  const current = (owner: string, path: string): Promise<FileRow> =>
    first(`${selectFiles} WHERE f.owner = :owner AND f.path = :path AND f.deleted_at IS NULL`, { owner, path }, `there is no file ${path}`)
  const inTrash = (owner: string, id: string): Promise<FileRow> =>
    first(`${selectFiles} WHERE f.owner = :owner AND f.id = :id AND f.deleted_at IS NOT NULL`, { owner, id }, `there is no file ${id} in the trash`)
  /** Repeats the look and the change until nobody came in between. `attempt` answers whether it is done. */
  const untilDone = async (attempt: () => Promise<boolean>): Promise<void> => {
    for (let tries = 0; tries < MAX_TRIES; tries++) if (await attempt()) return
    throw new Problem(409, 'conflict', 'it is changed too often at once: try again')
  }

  return {
    get: (owner, path, version) => version === undefined ? current(owner, path)
      : first(`${selectAnyVersion} WHERE f.owner = :owner AND f.path = :path AND f.deleted_at IS NULL AND v.version = :version`, { owner, path, version },
        `there is no version ${version} of ${path}`),
    getById: (id, version) => first(`${selectAnyVersion} WHERE f.id = :id AND v.version = :version`, { id, version }, `there is no version ${version} of a file ${id}`),

    async list({ owner, folder, isRecursive, tag, after, limit }) {
      const conditions = [
        'f.owner = :owner', 'f.deleted_at IS NULL', 'f.path > :after',
        ...folder === '' ? [] : ['f.path >= :from', 'f.path < :to'],
        ...isRecursive ? [] : [`instr(substr(f.path, :skip), '/') = 0`],
        ...tag === undefined ? [] : ['EXISTS (SELECT 1 FROM json_each(f.tags) WHERE value = :tag)'],
      ]
      const rows = await db.query(`${selectFiles} WHERE ${conditions.join(' AND ')} ORDER BY f.path LIMIT :limit`, {
        owner, after, limit: limit + 1,
        ...(folder !== '' && within(folder)), ...(!isRecursive && { skip: skipOf(folder) }), ...(tag !== undefined && { tag }),
      })
      return rows.map(readFile)
    },

    async folders(owner, folder) {
      const rows = await db.query(
        `SELECT DISTINCT substr(rest, 1, instr(rest, '/') - 1) AS name FROM (
           SELECT substr(path, :skip) AS rest FROM files WHERE owner = :owner AND deleted_at IS NULL ${folder === '' ? '' : 'AND path >= :from AND path < :to'}
         ) WHERE instr(rest, '/') > 0 ORDER BY name LIMIT ${MAX_FOLDERS}`,
        { owner, skip: skipOf(folder), ...(folder !== '' && within(folder)) })
      return rows.map((row: Row) => String(row['name']))
    },

    async versions(id) {
      return (await db.query(`${selectVersions} WHERE v.file_id = :id ORDER BY v.version DESC`, { id })).map(readVersion)
    },

    async patch(owner, path, { path: to, metadata, tags }, ifMatch) {
      const target = to ?? path
      await untilDone(async () => {
        const file = await current(owner, path)
        checkIfMatch(ifMatch, documentTag(file))
        const described = { ...file.metadata }
        for (const [name, value] of Object.entries(metadata ?? {})) {
          if (value === null) delete described[name]
          else described[name] = value
        }
        if (Object.keys(described).length > MAX_METADATA) throw new Problem(422, 'too_many', `a file has at most ${MAX_METADATA} names of metadata`)
        checkDescription({ metadata: described, tags })
        if (metadata !== undefined || tags !== undefined) await checkRoom(db, ROOM_FOR_CHANGES)
        if (target !== path && await isTaken(db, owner, target)) throw exists(target)
        const done = await db.execute([{
          sql: `UPDATE files SET path = :to, metadata = :metadata, tags = :tags, revision = revision + 1, updated_at = :now
            WHERE id = :id AND revision = :revision AND deleted_at IS NULL
            AND (:to = path OR NOT EXISTS (SELECT 1 FROM files WHERE owner = :owner AND path = :to AND deleted_at IS NULL))`,
          parameters: {
            id: file.id, revision: file.revision, owner, to: target, now: nowMs(), metadata: JSON.stringify(described), tags: JSON.stringify(tags ?? file.tags),
          },
          changes: 1,
        }])
        return done !== undefined
      })
      return current(owner, target)
    },

    remove: (owner, path, ifMatch) => untilDone(async () => {
      const file = await current(owner, path)
      checkIfMatch(ifMatch, etagOf(file.hash))
      return await db.execute([{
        sql: 'UPDATE files SET deleted_at = :now, revision = revision + 1 WHERE id = :id AND revision = :revision AND deleted_at IS NULL',
        parameters: { id: file.id, revision: file.revision, now: nowMs() }, changes: 1,
      }]) !== undefined
    }),

    async trash(owner, after, limit) {
      const rows = await db.query(
        `${selectFiles} WHERE f.owner = :owner AND f.deleted_at IS NOT NULL AND f.id > :after ORDER BY f.id LIMIT :limit`, { owner, after, limit: limit + 1 })
      return rows.map(readFile)
    },

    async restore(owner, id, to) {
      let path = ''
      await untilDone(async () => {
        const file = await inTrash(owner, id)
        path = to ?? file.path
        if (await isTaken(db, owner, path)) throw exists(path)
        return await db.execute([{
          sql: `UPDATE files SET deleted_at = NULL, path = :path, revision = revision + 1, updated_at = :now WHERE id = :id AND revision = :revision
            AND NOT EXISTS (SELECT 1 FROM files WHERE owner = :owner AND path = :path AND deleted_at IS NULL)`,
          parameters: { id, revision: file.revision, owner, path, now: nowMs() }, changes: 1,
        }]) !== undefined
      })
      return current(owner, path)
    },

    async purge(owner, which) {
      const trashed = 'f.owner = :owner AND f.deleted_at IS NOT NULL'
      if ('folder' in which) {
        const { folder } = which
        await db.execute(folder === '' ? purgeStatements(trashed, { owner })
          : purgeStatements(`${trashed} AND f.path >= :from AND f.path < :to`, { owner, ...within(folder) }))
        return
      }
      await inTrash(owner, which.id)
      await db.execute(purgeStatements(`${trashed} AND f.id = :id`, { owner, id: which.id }))
    },
  }
}

/** Removes files with all that belongs to them; their contents are collected later. */
export function purgeStatements(where: string, parameters: NonNullable<Statement['parameters']>): Statement[] {
  const these = `(SELECT f.id FROM files f WHERE ${where})`
  return [
    {
      sql: `UPDATE owners SET used_bytes = used_bytes - (SELECT coalesce(sum(v.size), 0) FROM versions v JOIN files f ON f.id = v.file_id WHERE ${where} AND f.owner = owners.owner)
        WHERE owner IN (SELECT f.owner FROM files f WHERE ${where})`,
      parameters,
    },
    { sql: `DELETE FROM hooks WHERE file_id IN ${these}`, parameters },
    { sql: `DELETE FROM versions WHERE file_id IN ${these}`, parameters },
    { sql: `DELETE FROM files AS f WHERE ${where}`, parameters },
  ]
}

/** `0` comes after `/`: what begins with `FOLDER/` lies between. */
function within(folder: string): { readonly from: string; readonly to: string } {
  return { from: `${folder}/`, to: `${folder}0` }
}

/** Of the path without the folder and its slash, counted from 1. */
function skipOf(folder: string): number {
  // SQLite counts characters, JavaScript halves of some.
  return folder === '' ? 1 : [...folder].length + 2
}

async function isTaken(db: Database, owner: string, path: string): Promise<boolean> {
  return (await db.query('SELECT id FROM files WHERE owner = :owner AND path = :path AND deleted_at IS NULL', { owner, path })).length > 0
}

function exists(path: string): Problem {
  return new Problem(409, 'exists', `there is a file ${path} already: remove it, or choose another path`)
}
