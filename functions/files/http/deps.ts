/** What the routes need. */
import type { Database } from '@bramble/runtime/service/database'
import type { Files } from '../catalog/files.ts'
import type { Quotas } from '../catalog/usage.ts'
import type { WriteFile } from '../catalog/write-file.ts'
import type { Links } from '../content/links.ts'
import type { TakeIn } from '../content/take-in.ts'
import type { Settings } from '../settings.ts'
import type { HashLocks } from '../storage/hash-locks.ts'
import type { Store } from '../storage/store.ts'

export type Deps = {
  readonly db: Database
  readonly store: Store
  readonly files: Files
  readonly quotas: Quotas
  readonly writeFile: WriteFile
  readonly locks: HashLocks
  readonly takeIn: TakeIn
  readonly links: Links
  readonly settings: Settings
  readonly nowMs: () => number
}
