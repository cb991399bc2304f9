/** Files as they lie in the database, and as callers see them. */
import type { Row } from '@bramble/runtime/service/database'
import * as z from 'zod'
import { nameOf } from '../content/path.ts'

const metadata = z.string().transform((text) => z.record(z.string(), z.string()).parse(JSON.parse(text)))
const tags = z.string().transform((text) => z.array(z.string()).parse(JSON.parse(text)))

const versionFields = {
  version: z.number(), hash: z.string(), size: z.number(), content_type: z.string(), version_at: z.number(),
  thumbnail_hash: z.string().nullable(), thumbnail_size: z.number().nullable(), thumbnail_type: z.string().nullable(),
}
const fileRow = z.object({
  id: z.string(), owner: z.string(), path: z.string(), revision: z.number(), current: z.number(), metadata, tags,
  created_at: z.number(), updated_at: z.number(), deleted_at: z.number().nullable(), ...versionFields,
})
const versionRow = z.object(versionFields)

/** With one of its versions, the current one as a rule. */
export type FileRow = z.output<typeof fileRow>
export type VersionRow = z.output<typeof versionRow>

const versionColumns = `v.version, v.hash, v.size, v.content_type, v.created_at AS version_at, v.thumbnail_hash, v.thumbnail_size, v.thumbnail_type`
const fileColumns = `f.id, f.owner, f.path, f.revision, f.version AS current, f.metadata, f.tags, f.created_at, f.updated_at, f.deleted_at, ${versionColumns}`

/** To be followed by conditions on `f`; `v` is the current version. */
export const selectFiles = `SELECT ${fileColumns} FROM files f JOIN versions v ON v.file_id = f.id AND v.version = f.version`
/** The same with any version. */
export const selectAnyVersion = `SELECT ${fileColumns} FROM files f JOIN versions v ON v.file_id = f.id`
export const selectVersions = `SELECT ${versionColumns} FROM versions v`

export function readFile(row: Row): FileRow {
  return fileRow.parse(row)
}

export function readVersion(row: Row): VersionRow {
  return versionRow.parse(row)
}

export function showFile(file: FileRow) {
  return {
    id: file.id, owner: file.owner, path: file.path, name: nameOf(file.path), size: file.size, content_type: file.content_type, hash: file.hash,
    version: file.version, created_at: timeOf(file.created_at), updated_at: timeOf(file.updated_at), metadata: file.metadata, tags: file.tags,
    thumbnail: file.thumbnail_hash !== null, ...(file.deleted_at !== null && { deleted_at: timeOf(file.deleted_at) }),
  }
}

export function showVersion(version: VersionRow, current: number) {
  return {
    version: version.version, size: version.size, content_type: version.content_type, hash: version.hash, created_at: timeOf(version.version_at),
    current: version.version === current,
  }
}

/** Of the document: changes with everything that can be changed in it. */
export function documentTag({ id, revision }: FileRow): string {
  return `"${id}.${revision}"`
}

export function timeOf(ms: number): string {
  return new Date(ms).toISOString()
}
