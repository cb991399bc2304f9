/** The parts that nearly everything here needs. */
import type { Log } from '@bramble/runtime'
import type { Outbox } from './mail/outbox.ts'
import type { PasswordHasher } from './password/hasher.ts'
import type { Settings } from './settings.ts'
import type { Database } from '@bramble/runtime/service/database'
import type { AccessTokens } from './tokens/access-tokens.ts'
import type { SigningKeys } from './tokens/signing-keys.ts'
import type { Vault } from './tokens/vault.ts'

export type Deps = {
  readonly db: Database
  readonly vault: Vault
  readonly hasher: PasswordHasher
  readonly keys: SigningKeys
  readonly accessTokens: AccessTokens
  readonly outbox: Outbox
  readonly settings: Settings
  readonly log: Log
  /** Resolves when the database is there and up to date. */
  readonly ready: () => Promise<void>
}
