/** How much an owner has, and may have: versions, trash and what is announced as resumable uploads. */
import { Problem } from '@bramble/runtime/service/problem'
import type { Database } from '@bramble/runtime/service/database'
import * as z from 'zod'

export type Usage = { readonly usedBytes: number; readonly reservedBytes: number; readonly quotaBytes: number }

export type Meter = {
  /** Throws 507 `quota_exceeded` when it would be too much with all that comes in beside it. */
  count(bytes: number): void
  /** What was counted is stored, or is not coming. */
  end(): void
}

export type Quotas = {
  usage(owner: string): Promise<Usage>
  /** Counts what comes in, with what comes in at the same time. `announcedBytes` are checked at once, and counted as they come. */
  measure(owner: string, announcedBytes: number): Promise<Meter>
}

/** Bytes of uploads that were announced and are not files yet. */
export const reservedBy = `(SELECT coalesce(sum(coalesce(length, received)), 0) FROM uploads WHERE owner = :owner AND file_id IS NULL AND kind <> 'final')`

const row = z.object({ used: z.number(), reserved: z.number(), quota: z.number() })

export function createQuotas({ db, defaultQuotaBytes }: { readonly db: Database; readonly defaultQuotaBytes: number }): Quotas {
  const comingBytes = new Map<string, number>()

  const usage: Quotas['usage'] = async (owner) => {
    const [found] = await db.query(
      `SELECT coalesce(max(used_bytes), 0) AS used, ${reservedBy} AS reserved, coalesce(max(quota_bytes), :quota) AS quota FROM owners WHERE owner = :owner`,
      { owner, quota: defaultQuotaBytes })
    const { used, reserved, quota } = row.parse(found)
    return { usedBytes: used, reservedBytes: reserved, quotaBytes: quota }
  }

  return {
    usage,
    async measure(owner, announcedBytes) {
      const { usedBytes, reservedBytes, quotaBytes } = await usage(owner)
      const leftBytes = (): number => quotaBytes - usedBytes - reservedBytes - (comingBytes.get(owner) ?? 0)
      if (announcedBytes > leftBytes()) throw quotaExceeded(owner, quotaBytes)
      let mineBytes = 0
      return {
        count(bytes) {
          if (bytes > leftBytes()) throw quotaExceeded(owner, quotaBytes)
          mineBytes += bytes
          comingBytes.set(owner, (comingBytes.get(owner) ?? 0) + bytes)
        },
        end() {
          const left = (comingBytes.get(owner) ?? 0) - mineBytes
          mineBytes = 0
          if (left > 0) comingBytes.set(owner, left)
          else comingBytes.delete(owner)
        },
      }
    },
  }
}

export function quotaExceeded(owner: string, quotaBytes: number): Problem {
  return new Problem(507, 'quota_exceeded', `${owner} may have ${quotaBytes} bytes, with old versions, trash and unfinished uploads: remove some, or ask for more`)
}
