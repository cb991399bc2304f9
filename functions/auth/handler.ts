/** The auth service: settings and secrets in, parts together. Touches the network only when the first call comes. */
import { type ListenerHandler, log, secret } from '@bramble/runtime'
import { addMetrics } from '@bramble/runtime/service/metrics'
import { busy } from '@bramble/runtime/service/problem'
import { serviceToken } from '@bramble/runtime/service/token'
import { authMetrics } from './auth-metrics.ts'
import { createAuthService } from './auth-service.ts'
import type { Deps } from './deps.ts'
import { JWKS_MAX_AGE_SECONDS } from './http/oauth-routes.ts'
import { createLogMailer } from './mail/log-mailer.ts'
import type { Mailer } from './mail/mailer.ts'
import { createOutbox } from './mail/outbox.ts'
import { createPasswordHasher } from './password/hasher.ts'
import { ensureAdmin } from './people/admin.ts'
import { readSettings, type Settings } from './settings.ts'
import { countEvents } from './store/count-events.ts'
import { createDataClient } from '@bramble/runtime/service/data-client'
import type { Database } from '@bramble/runtime/service/database'
import { createHousekeeping } from './store/housekeeping.ts'
import { migrations } from './store/schema.ts'
import { createAccessTokens, LEEWAY_SECONDS } from './tokens/access-tokens.ts'
import { createSigningKeys } from './tokens/signing-keys.ts'
import { createVault } from './tokens/vault.ts'

/** A queue of logins that is full now is empty after so long, on a Zero 2W too. */
const BUSY_SECONDS = 5
/** A new key is shown for so many lives of a cached JWKS before it signs. */
const SHOWN_AHEAD = 4

const { settings, problems } = readSettings(process.env)
if (problems.length > 0) throw new Error(problems.join('; '))

export default createAuthService(createDeps(settings, serviceToken()), serviceToken()) satisfies ListenerHandler

function createDeps(settings: Settings, token: string): Deps {
  const vault = createVault(secret('auth-key'))
  const adminPassword = secret('auth-admin-password')
  const { db: data, counts: eventCounts } = countEvents(createDataClient({ url: settings.dataUrl, database: settings.database, token, migrations }))
  const tidy = createHousekeeping({ db: data, log, auditRetentionMs: settings.auditRetentionMs })
  let preparing: Promise<void> | undefined

  const ready = async (): Promise<void> => {
    await data.prepare()
    preparing ??= prepare().catch((error: unknown) => {
      preparing = undefined
      throw error
    })
    await preparing
    tidy(Date.now())
  }
  const prepare = async (): Promise<void> => {
    await ensureAdmin({ db: data, hasher, settings, vault }, adminPassword, { address: 'self', userAgent: '', callId: '', nowMs: Date.now() })
    // What another replica left behind, or this one before it was killed.
    outbox.deliver()
  }
  /** Whoever asks for data finds the schema there; `ready` itself uses what lies below. */
  const db: Database = {
    prepare: ready,
    query: async (sql, parameters) => { await ready(); return data.query(sql, parameters) },
    execute: async (statements) => { await ready(); return data.execute(statements) },
  }

  const hasher = createPasswordHasher({
    cost: settings.argon2, concurrency: settings.hashConcurrency, maxWaiting: settings.hashQueue,
    busy: () => busy('too many are logging in at once', BUSY_SECONDS),
  })
  addMetrics(() => authMetrics(eventCounts(), hasher.counts()))
  const outbox = createOutbox({ db: data, vault, mailer: createMailer(settings), log, now: Date.now })
  const keys = createSigningKeys({
    db, vault,
    times: {
      rotationMs: settings.keyRotationMs,
      aheadMs: Math.min(JWKS_MAX_AGE_SECONDS * 1000 * SHOWN_AHEAD, settings.keyRotationMs / 2),
      tailMs: settings.accessTokenMs + LEEWAY_SECONDS * 1000,
    },
  })
  const accessTokens = createAccessTokens({ keys, issuer: settings.issuer, audience: settings.audience, lifeMs: settings.accessTokenMs })
  return { db, vault, hasher, keys, accessTokens, outbox, settings, log, ready }
}

/** The SMTP client is loaded when the first letter leaves: half of the replicas never send one. */
function createMailer({ smtpHost, smtpPort, smtpSecurity, smtpUser, mailFrom }: Settings): Mailer {
  if (smtpHost === '') return createLogMailer(log)
  const password = smtpUser === '' ? '' : secret('smtp-password')
  let mailer: Promise<Mailer> | undefined
  return {
    async send(letter) {
      mailer ??= import('./mail/smtp-mailer.ts').then(({ createSmtpMailer }) =>
        createSmtpMailer({ host: smtpHost, port: smtpPort, security: smtpSecurity, user: smtpUser, password, from: mailFrom }))
      await (await mailer).send(letter)
    },
  }
}
