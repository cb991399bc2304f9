/** The parts that nearly everything here needs. */
import type { Database } from '@bramble/runtime/service/database'
import type { Settings } from './settings.ts'
import type { Room } from './store/room.ts'
import type { AllowList } from './target/allow-list.ts'
import type { Worker } from './work/worker.ts'

export type Deps = {
  readonly db: Database
  readonly room: Room
  readonly allowList: AllowList
  readonly worker: Pick<Worker, 'wake' | 'cancel'>
  readonly settings: Settings
  /** Whether completions can be signed. */
  readonly hasWebhookKey: boolean
}
