/** TOTP and recovery codes: asked for at login, and managed by their owner. */
import { Problem } from '@bramble/runtime/service/problem'
import type { Deps } from '../deps.ts'
import { fromBase32, toBase32 } from '../second-factor/base32.ts'
import { newRecoveryCodes, normalizeRecoveryCode } from '../second-factor/recovery-codes.ts'
import { checkTotp, newTotpSecret, totpUri } from '../second-factor/totp.ts'
import { auditStatement } from '../store/audit.ts'
import type { Statement } from '@bramble/runtime/service/database'
import type { Origin } from '../store/origin.ts'
import { hasSecondFactor, type User } from '../store/users.ts'
import { confirmPassword } from './password-check.ts'

export type SecondFactor = { readonly totp?: string | undefined; readonly recovery_code?: string | undefined }

export type CheckedSecondFactor = {
  /** For the transaction that ends the login; a code that somebody used meanwhile undoes it. */
  readonly statements: readonly Statement[]
  /** RFC 8176. */
  readonly amr: readonly string[]
}

const SECRET_PURPOSE = 'totp secret'
const RECOVERY_PURPOSE = 'recovery code'

/** Throws 401 when it is missing or wrong; the tries that were counted for the password stay counted then. */
export async function checkSecondFactor(
  { db, vault }: Deps, user: User, { totp, recovery_code }: SecondFactor, origin: Origin,
): Promise<CheckedSecondFactor> {
  if (!hasSecondFactor(user)) return { statements: [], amr: ['pwd'] }
  if (totp === undefined && recovery_code === undefined) {
    throw new Problem(401, 'second_factor_required', 'this account needs a second factor: send totp, or a recovery_code')
  }
  if (recovery_code !== undefined) return {
    statements: [
      {
        sql: 'DELETE FROM recovery_codes WHERE user_id = :user_id AND mac = :mac',
        parameters: { user_id: user.id, mac: recoveryMac(vault, user.id, recovery_code) }, changes: 1,
      },
      auditStatement({ event: 'second_factor.recovery_used', userId: user.id }, origin),
    ],
    amr: ['pwd', 'kba', 'mfa'],
  }
  const step = checkTotp(openSecret(vault, user), totp ?? '', origin.nowMs, user.totp_last_step)
  if (step === undefined) throw await wrongSecondFactor({ db }, user, origin)
  return {
    statements: [{
      // A code is good once, even for two who send it at the same time.
      sql: 'UPDATE users SET totp_last_step = :step WHERE id = :id AND totp_last_step < :step',
      parameters: { step, id: user.id }, changes: 1,
    }],
    amr: ['pwd', 'otp', 'mfa'],
  }
}

export async function wrongSecondFactor({ db }: Pick<Deps, 'db'>, user: User, origin: Origin): Promise<Problem> {
  await db.execute([auditStatement({ event: 'login.second_factor_failed', userId: user.id }, origin)])
  return new Problem(401, 'wrong_second_factor', 'the code is wrong, or was used before')
}

/** A new secret that counts once `confirmTotp` has seen a code of it. */
export async function beginTotp(deps: Deps, user: User, password: string, origin: Origin) {
  const settle = await confirmPassword(deps, user, password, origin)
  if (hasSecondFactor(user)) throw new Problem(409, 'second_factor_enabled', 'there is a second factor already: disable it first')
  const secret = newTotpSecret()
  await deps.db.execute([...settle, {
    sql: 'UPDATE users SET totp_secret = :secret WHERE id = :id AND totp_confirmed_at IS NULL',
    parameters: { secret: deps.vault.seal(`${SECRET_PURPOSE} of ${user.id}`, toBase32(secret)), id: user.id },
  }])
  return { secret: toBase32(secret), uri: totpUri(secret, { issuer: deps.settings.serviceName, account: user.email }) }
}

/** From now on the second factor is needed. Answers the recovery codes, which are shown once. */
export async function confirmTotp(deps: Deps, user: User, code: string, origin: Origin): Promise<readonly string[]> {
  if (hasSecondFactor(user)) throw new Problem(409, 'second_factor_enabled', 'there is a second factor already')
  if (user.totp_secret === null) throw new Problem(409, 'second_factor_not_begun', 'ask for a secret first')
  const step = checkTotp(openSecret(deps.vault, user), code, origin.nowMs, user.totp_last_step)
  if (step === undefined) throw new Problem(422, 'wrong_second_factor', 'the code is wrong; is the clock of the phone right?')
  const codes = newRecoveryCodes()
  const done = await deps.db.execute([
    {
      sql: `UPDATE users SET totp_confirmed_at = :now, totp_last_step = :step, version = version + 1
        WHERE id = :id AND totp_secret = :secret AND totp_confirmed_at IS NULL`,
      parameters: { now: origin.nowMs, step, id: user.id, secret: user.totp_secret }, changes: 1,
    },
    ...keepRecoveryCodes(deps, user, codes),
    auditStatement({ event: 'second_factor.enabled', userId: user.id }, origin),
  ])
  if (done === undefined) throw new Problem(409, 'second_factor_changed', 'the second factor was changed meanwhile: begin again')
  return codes
}

export async function disableTotp(
  deps: Deps, user: User, proof: SecondFactor & { readonly password: string }, origin: Origin,
): Promise<void> {
  const statements = await confirmBoth(deps, user, proof, origin)
  await finish(deps, user, origin, [...statements, ...withoutSecondFactor(user.id),
    auditStatement({ event: 'second_factor.disabled', userId: user.id }, origin)])
}

/** New codes; the old ones are void. */
export async function renewRecoveryCodes(
  deps: Deps, user: User, proof: SecondFactor & { readonly password: string }, origin: Origin,
): Promise<readonly string[]> {
  if (!hasSecondFactor(user)) throw new Problem(409, 'second_factor_missing', 'there is no second factor')
  const statements = await confirmBoth(deps, user, proof, origin)
  const codes = newRecoveryCodes()
  await finish(deps, user, origin, [...statements, ...keepRecoveryCodes(deps, user, codes),
    auditStatement({ event: 'second_factor.codes_renewed', userId: user.id }, origin)])
  return codes
}

/** Password, and second factor where there is one: what ending or taking over an account needs. Throws 401. */
export async function confirmBoth(
  deps: Deps, user: User, proof: SecondFactor & { readonly password: string }, origin: Origin,
): Promise<readonly Statement[]> {
  const settle = await confirmPassword(deps, user, proof.password, origin)
  const { statements } = await checkSecondFactor(deps, user, proof, origin)
  return [...settle, ...statements]
}

/** Runs a transaction that spends a second factor. */
export async function finish(deps: Deps, user: User, origin: Origin, statements: readonly Statement[]): Promise<void> {
  if (await deps.db.execute(statements) === undefined) throw await wrongSecondFactor(deps, user, origin)
}

export function withoutSecondFactor(userId: string): readonly Statement[] {
  return [
    { sql: 'UPDATE users SET totp_secret = NULL, totp_confirmed_at = NULL, version = version + 1 WHERE id = :id', parameters: { id: userId } },
    { sql: 'DELETE FROM recovery_codes WHERE user_id = :id', parameters: { id: userId } },
  ]
}

function keepRecoveryCodes({ vault }: Deps, user: User, codes: readonly string[]): readonly Statement[] {
  return [
    { sql: 'DELETE FROM recovery_codes WHERE user_id = :id', parameters: { id: user.id } },
    ...codes.map((code) => ({
      sql: 'INSERT INTO recovery_codes (user_id, mac) VALUES (:id, :mac)',
      parameters: { id: user.id, mac: recoveryMac(vault, user.id, code) },
    })),
  ]
}

function recoveryMac(vault: Deps['vault'], userId: string, code: string): string {
  return vault.mac(RECOVERY_PURPOSE, `${userId}.${normalizeRecoveryCode(code)}`)
}

function openSecret(vault: Deps['vault'], user: User): Buffer {
  const secret = fromBase32(vault.open(`${SECRET_PURPOSE} of ${user.id}`, user.totp_secret ?? ''))
  if (secret === undefined) throw new Error('a stored TOTP secret is damaged')
  return secret
}
