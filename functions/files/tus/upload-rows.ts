/** Resumable uploads as they lie in the database. Every statement may be sent again. */
import { notFound, Problem } from '@bramble/runtime/service/problem'
import type { Database } from '@bramble/runtime/service/database'
import * as z from 'zod'
import { insist } from '../catalog/insist.ts'
import { quotaExceeded, reservedBy, type Quotas } from '../catalog/usage.ts'

const uploadRow = z.object({
  id: z.string(), owner: z.string(), path: z.string(), kind: z.enum(['', 'partial', 'final']),
  parts: z.string().transform((text) => z.array(z.string()).parse(JSON.parse(text))), header: z.string(),
  length: z.number().nullable(), received: z.number(), hash: z.string().nullable(), expires_at: z.number(), file_id: z.string().nullable(),
})
export type Upload = z.output<typeof uploadRow>
export type NewUpload = Pick<Upload, 'id' | 'owner' | 'path' | 'kind' | 'parts' | 'header' | 'length'>

export type Uploads = {
  /** Throws 404 when it is not there, is over, or is somebody else's. */
  get(owner: string, id: string): Promise<Upload>
  find(owner: string, id: string): Promise<Upload | undefined>
  /** One that is there under this id is fine, if it is for the same. Throws 507, 422 `key_reused`, 429. */
  create(upload: NewUpload): Promise<Upload>
  /** So many bytes are synced. Answers until when it waits for more. */
  saveReceived(id: string, received: number): Promise<number>
  saveLength(id: string, length: number): Promise<unknown>
  saveHash(id: string, hash: string): Promise<unknown>
  remove(ids: readonly string[]): Promise<void>
}

/** Not finished, of one owner. */
const MAX_UPLOADS = 1000
const columns = 'id, owner, path, kind, parts, header, length, received, hash, expires_at, file_id'

export type UploadsDeps = { readonly db: Database; readonly quotas: Quotas; readonly defaultQuotaBytes: number; readonly lifeMs: number; readonly nowMs: () => number }

export function createUploads({ db, quotas, defaultQuotaBytes, lifeMs, nowMs }: UploadsDeps): Uploads {
  const find: Uploads['find'] = async (owner, id) => {
    const [row] = await insist(() => db.query(`SELECT ${columns} FROM uploads WHERE id = :id AND owner = :owner AND expires_at > :now`, { id, owner, now: nowMs() }))
    return row === undefined ? undefined : uploadRow.parse(row)
  }
  const update = (id: string, set: string, values: Readonly<Record<string, string | number>>): Promise<number> => insist(async () => {
    const expires = nowMs() + lifeMs
    await db.execute([{ sql: `UPDATE uploads SET ${set}, expires_at = :expires WHERE id = :id`, parameters: { id, expires, ...values } }])
    return expires
  })

  return {
    find,
    async get(owner, id) {
      const upload = await find(owner, id)
      if (upload === undefined) throw notFound(`there is no upload ${id}, or not any more: begin another one`)
      return upload
    },

    create: (upload) => insist(async () => {
      const { id, owner, path, kind, parts, header, length } = upload
      // Parts are counted; the upload that joins them is no more.
      const neededBytes = kind === 'final' ? 0 : length ?? 0
      await db.execute([{
        sql: `INSERT OR IGNORE INTO uploads (id, owner, path, kind, parts, header, length, received, created_at, expires_at)
          SELECT :id, :owner, :path, :kind, :parts, :header, :length, 0, :now, :expires
          WHERE coalesce((SELECT used_bytes FROM owners WHERE owner = :owner), 0) + ${reservedBy} + :needed
            <= coalesce((SELECT quota_bytes FROM owners WHERE owner = :owner), :quota)
          AND (SELECT count(*) FROM uploads WHERE owner = :owner AND file_id IS NULL) < ${MAX_UPLOADS}`,
        parameters: { id, owner, path, kind, parts: JSON.stringify(parts), header, length, now: nowMs(), expires: nowMs() + lifeMs, needed: neededBytes, quota: defaultQuotaBytes },
      }])
      const made = await find(owner, id)
      if (made !== undefined) {
        if (made.path === path && made.header === header && (length === null || made.length === length)) return made
        throw new Problem(422, 'key_reused', 'this Idempotency-Key was sent with another upload before: take a new one for each')
      }
      const { usedBytes, reservedBytes, quotaBytes } = await quotas.usage(owner)
      if (usedBytes + reservedBytes + neededBytes > quotaBytes) throw quotaExceeded(owner, quotaBytes)
      throw new Problem(429, 'too_many_uploads', `${owner} has ${MAX_UPLOADS} unfinished uploads: finish or remove some`)
    }),

    saveReceived: (id, received) => update(id, 'received = :received', { received }),
    saveLength: (id, length) => update(id, 'length = :length', { length }),
    saveHash: (id, hash) => update(id, 'hash = :hash', { hash }),
    async remove(ids) {
      await insist(() => db.execute([{ sql: 'DELETE FROM uploads WHERE id IN (SELECT value FROM json_each(:ids))', parameters: { ids: JSON.stringify(ids) } }]))
    },
  }
}
