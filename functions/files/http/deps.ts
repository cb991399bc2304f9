/** What the routes need. */
import type { Database } from '@bramble/runtime/service/database'
import type { Files } from '../catalog/files.ts'
import type { Quotas } from '../catalog/usage.ts'
import type { TakeIn } from '../content/take-in.ts'
import type { Settings } from '../settings.ts'
import type { Store } from '../storage/store.ts'

export type Deps = {
  readonly db: Database
  readonly store: Store
  readonly files: Files
  readonly quotas: Quotas
  readonly takeIn: TakeIn
  readonly settings: Settings
  readonly nowMs: () => number
}
