/**
 * A content that is stored becomes a version of a file, in one transaction with all that belongs to it: quota, old versions that go, the
 * call that asks for a thumbnail. It may be sent again: a `writeId` becomes one version, however often.
 */
import { randomUUID } from 'node:crypto'
import { checkIfMatch, etagOf, matchesNone } from '@bramble/runtime/service/etag'
import { Problem } from '@bramble/runtime/service/problem'
import type { Database, Statement } from '@bramble/runtime/service/database'
import { checkDescription } from './check-description.ts'
import { checkRoom, ROOM_FOR_CHANGES, ROOM_FOR_FILES } from './database-room.ts'
import { insist } from './insist.ts'
import { readFile, selectFiles, type FileRow } from './rows.ts'
import { quotaExceeded, reservedBy, type Quotas } from './usage.ts'

export type Write = {
  readonly owner: string
  readonly path: string
  /** The caller's own for this one write. */
  readonly writeId: string
  readonly hash: string
  readonly sizeBytes: number
  readonly contentType: string
  /** What the file has, or will have; what is not said stays. */
  readonly metadata?: Readonly<Record<string, string>> | undefined
  readonly tags?: readonly string[] | undefined
  readonly ifMatch?: string | undefined
  readonly ifNoneMatch?: string | undefined
  /** The resumable upload that is finished with it. */
  readonly uploadId?: string | undefined
}

export type Written = { readonly file: FileRow; readonly isNew: boolean }

export type WriteFileDeps = {
  readonly db: Database
  readonly quotas: Quotas
  readonly defaultQuotaBytes: number
  readonly maxVersions: number
  readonly maxFiles: number
  /** What is to be posted about this version; nothing where nobody is to be told. */
  readonly hookOf: (file: { readonly id: string; readonly owner: string; readonly path: string; readonly version: number }, write: Write) => string | undefined
  readonly nowMs: () => number
}

/** The file at a path, and whether this write is one of its versions. */
const selectWritten = selectFiles.replace(' FROM files f', `, EXISTS (SELECT 1 FROM versions w WHERE w.file_id = f.id AND w.write_id = :write_id) AS is_mine FROM files f`)
  + ' WHERE f.owner = :owner AND f.path = :path AND f.deleted_at IS NULL'

/** Of writes to one name at once: each time one of them gets through. */
const MAX_TRIES = 100

export type WriteFile = {
  /** Throws when the conditions do not hold now: before the bytes come in. */
  check(write: Pick<Write, 'owner' | 'path' | 'ifMatch' | 'ifNoneMatch'>): Promise<void>
  write(write: Write): Promise<Written>
}

export function createWriteFile(deps: WriteFileDeps): WriteFile {
  const { db, quotas } = deps
  const find = async ({ owner, path, writeId }: Pick<Write, 'owner' | 'path' | 'writeId'>): Promise<{ readonly file: FileRow; readonly isMine: boolean } | undefined> => {
    const [row] = await db.query(selectWritten, { owner, path, write_id: writeId })
    return row === undefined ? undefined : { file: readFile(row), isMine: row['is_mine'] === 1 }
  }

  const check: WriteFile['check'] = async (write) => {
    if (write.ifMatch === undefined && write.ifNoneMatch === undefined) return
    checkConditions(write, (await find({ ...write, writeId: '' }))?.file)
  }
  const carryOut: WriteFile['write'] = async (write) => {
    checkDescription(write)
    const newId = randomUUID()
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const found = await insist(() => find(write))
      if (found?.isMine === true) return { file: found.file, isNew: found.file.id === newId }
      const present = found?.file
      checkConditions(write, present)
      const isSame = present !== undefined && present.hash === write.hash && present.content_type === write.contentType
      const statements = [...present === undefined ? create(deps, write, newId) : isSame ? describe(deps, write, present) : change(deps, write, present), ...finish(write, present?.id ?? newId)]
      if (statements.length === 0) {
        if (present !== undefined) return { file: present, isNew: false }
        continue
      }
      // The file as it is then comes with the answer.
      const results = await db.execute([...statements, { sql: `${selectFiles} WHERE f.id = :id`, parameters: { id: present?.id ?? newId } }]).catch((error: unknown) => {
        // Done or not: the next look tells.
        if (error instanceof Problem && error.code === 'data_unavailable') return undefined
        throw error
      })
      const [row] = results?.at(-1)?.rows ?? []
      if (row !== undefined) return { file: readFile(row), isNew: present === undefined }
      if ((await insist(() => find(write)))?.isMine === true) continue
      const { usedBytes, reservedBytes, quotaBytes } = await insist(() => quotas.usage(write.owner))
      await insist(() => checkRoom(db, present === undefined ? ROOM_FOR_FILES : ROOM_FOR_CHANGES))
      if (present === undefined && await insist(() => countFiles(db, write.owner)) >= deps.maxFiles) {
        throw new Problem(507, 'too_many_files', `${write.owner} may have ${deps.maxFiles} files, with the trash: remove some`)
      }
      const ownBytes = write.uploadId === undefined ? 0 : write.sizeBytes
      if (!isSame && usedBytes + reservedBytes - ownBytes + write.sizeBytes > quotaBytes) throw quotaExceeded(write.owner, quotaBytes)
    }
    throw new Problem(409, 'conflict', `${write.path} is written too often at once: try again`)
  }
  return { check, write: carryOut }
}

/** Two indexes: what is there, and the trash. */
const filesOfOwner = `((SELECT count(*) FROM files WHERE owner = :owner AND deleted_at IS NULL) + (SELECT count(*) FROM files WHERE owner = :owner AND deleted_at IS NOT NULL))`

async function countFiles(db: Database, owner: string): Promise<number> {
  const [row] = await db.query(`SELECT ${filesOfOwner} AS files`, { owner })
  return Number(row?.['files'] ?? 0)
}

function checkConditions({ ifMatch, ifNoneMatch }: Pick<Write, 'ifMatch' | 'ifNoneMatch'>, present: FileRow | undefined): void {
  const tag = present && etagOf(present.hash)
  checkIfMatch(ifMatch, tag)
  if (tag !== undefined && !matchesNone(ifNoneMatch, tag)) {
    throw new Problem(412, 'precondition_failed', `If-None-Match wants ${ifNoneMatch}, but it has ${tag}`, { headers: { etag: tag } })
  }
}

function create(deps: WriteFileDeps, write: Write, id: string): Statement[] {
  const { owner, path, metadata = {}, tags = [] } = write
  const now = deps.nowMs()
  return [
    {
      // Nothing, when somebody else was faster.
      sql: `INSERT OR IGNORE INTO files (id, owner, path, revision, version, metadata, tags, created_at, updated_at)
        SELECT :id, :owner, :path, 1, 1, :metadata, :tags, :now, :now WHERE ${filesOfOwner} < :max_files AND ${ROOM_FOR_FILES}`,
      parameters: { id, owner, path, metadata: JSON.stringify(metadata), tags: JSON.stringify(tags), now, max_files: deps.maxFiles }, changes: 1,
    },
    ...addVersion(deps, write, id, 1, now),
  ]
}

function change(deps: WriteFileDeps, write: Write, present: FileRow): Statement[] {
  const now = deps.nowMs()
  const version = present.current + 1
  const gone = { id: present.id, owner: write.owner, last: version - deps.maxVersions }
  return [
    {
      sql: `UPDATE files SET version = :version, revision = revision + 1, updated_at = :now, metadata = coalesce(:metadata, metadata), tags = coalesce(:tags, tags)
        WHERE id = :id AND version = :old AND deleted_at IS NULL AND path = :path AND ${ROOM_FOR_CHANGES}`,
      parameters: { id: present.id, path: write.path, version, old: present.current, now, ...described(write) }, changes: 1,
    },
    {
      sql: `UPDATE owners SET used_bytes = used_bytes - (SELECT coalesce(sum(size), 0) FROM versions WHERE file_id = :id AND version <= :last) WHERE owner = :owner`,
      parameters: gone,
    },
    { sql: 'DELETE FROM versions WHERE file_id = :id AND version <= :last', parameters: { id: gone.id, last: gone.last } },
    ...addVersion(deps, write, present.id, version, now),
  ]
}

/** The content is the one that is there. */
function describe({ nowMs }: WriteFileDeps, write: Write, present: FileRow): Statement[] {
  if (write.metadata === undefined && write.tags === undefined) return []
  return [{
    sql: `UPDATE files SET revision = revision + 1, updated_at = :now, metadata = coalesce(:metadata, metadata), tags = coalesce(:tags, tags)
      WHERE id = :id AND version = :old AND deleted_at IS NULL AND ${ROOM_FOR_CHANGES}`,
    parameters: { id: present.id, old: present.current, now: nowMs(), ...described(write) }, changes: 1,
  }]
}

function described({ metadata, tags }: Write) {
  return { metadata: metadata === undefined ? null : JSON.stringify(metadata), tags: tags === undefined ? null : JSON.stringify(tags) }
}

function addVersion({ defaultQuotaBytes, hookOf }: WriteFileDeps, write: Write, id: string, version: number, now: number): Statement[] {
  const { owner, path, writeId, hash, sizeBytes, contentType, uploadId } = write
  const hook = hookOf({ id, owner, path, version }, write)
  return [
    { sql: 'INSERT OR IGNORE INTO owners (owner) VALUES (:owner)', parameters: { owner } },
    {
      // With what is announced, but not what this write was announced as.
      sql: `UPDATE owners SET used_bytes = used_bytes + :size WHERE owner = :owner
        AND used_bytes + ${reservedBy} - :own + :size <= coalesce(quota_bytes, :quota)`,
      parameters: { owner, size: sizeBytes, own: uploadId === undefined ? 0 : sizeBytes, quota: defaultQuotaBytes }, changes: 1,
    },
    {
      sql: `INSERT INTO versions (file_id, version, write_id, hash, size, content_type, created_at)
        VALUES (:id, :version, :write_id, :hash, :size, :type, :now)`,
      parameters: { id, version, write_id: writeId, hash, size: sizeBytes, type: contentType, now },
    },
    ...hook === undefined ? [] : [{
      sql: 'INSERT INTO hooks (id, file_id, version, body, tries, due_at) VALUES (:hook, :id, :version, :body, 0, :now)',
      parameters: { hook: `${id}.${version}`, id, version, body: hook, now },
    }],
  ]
}

function finish({ uploadId }: Write, fileId: string): Statement[] {
  return uploadId === undefined ? [] : [{ sql: 'UPDATE uploads SET file_id = :file_id WHERE id = :id', parameters: { file_id: fileId, id: uploadId } }]
}
