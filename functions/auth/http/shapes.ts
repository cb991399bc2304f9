/** What callers send and get, as schemas: they check the input and describe both in `/openapi.json`. */
import * as z from 'zod'
import { grantTypes, scopes } from '../oauth/clients.ts'
import { MAX_PASSWORD_CHARACTERS } from '../people/password-rules.ts'

/** RFC 5321. */
const MAX_EMAIL = 254
const MAX_NAME = 100
const MAX_ROLES = 20
const MAX_REDIRECT_URIS = 10
const MAX_TOKEN = 4096
const MAX_PAGE = 200
const DEFAULT_PAGE = 50
const MAX_KEY_DAYS = 3650

export const Email = z.email().regex(/^(?:[^@]{1,64}@|[^@]*$)/, 'must have at most 64 characters before the @').max(MAX_EMAIL)
/** Of people and things; no control characters: they would steer terminals and logs. */
export const Name = z.string().regex(/^[^\u0000-\u001f\u007f-\u009f]*$/, 'must not have control characters').max(MAX_NAME)
export const Password = z.string().min(1).max(MAX_PASSWORD_CHARACTERS)
export const Role = z.string().regex(/^[a-z][a-z0-9_.:-]{0,49}$/, 'must be a small letter, then up to 49 of a-z, 0-9 and _.:-')
const Roles = z.array(Role).max(MAX_ROLES)
export const Token = z.string().min(1).max(MAX_TOKEN)
const Time = z.iso.datetime()

export const secondFactor = {
  totp: z.string().max(10).optional().describe('Six digits from the app'),
  recovery_code: z.string().max(60).optional().describe('Instead of `totp`; good once'),
}
export const Proof = z.strictObject({ password: Password, ...secondFactor })

export const Id = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/)
export const inPath = z.strictObject({ id: Id })
export const paging = z.strictObject({
  limit: z.int().min(1).max(MAX_PAGE).default(DEFAULT_PAGE),
  cursor: z.string().max(500).optional().describe('`next_cursor` of the page before'),
})
export const ifMatch = z.object({ 'if-match': z.string().max(500).optional().describe('Only if it still has this ETag, else 412') })
export const idempotencyKey = z.object({
  'idempotency-key': z.string().regex(/^[\x21-\x7e]{1,128}$/).optional().describe('A call sent again with its key runs once, and is answered as the first time'),
})

export const Tokens = z.object({
  access_token: z.string(), token_type: z.literal('Bearer'), expires_in: z.int(),
  refresh_token: z.string().optional(), scope: z.string().optional(), id_token: z.string().optional(), session_id: z.string().optional(),
})
export const Account = z.object({
  id: z.string(), email: z.string(), name: z.string(), roles: z.array(z.string()), email_verified: z.boolean(), disabled: z.boolean(),
  second_factor: z.boolean(), created_at: Time,
})
export const ShownSession = z.object({
  id: z.string(), client_id: z.string().nullable(), address: z.string(), user_agent: z.string(), methods: z.array(z.string()),
  created_at: Time, used_at: Time, expires_at: Time, current: z.boolean(),
})
export const ApiKey = z.object({
  id: z.string(), name: z.string(), roles: z.array(z.string()), created_at: Time, expires_at: Time.nullable(), used_at: Time.nullable(),
})
export const Client = z.object({
  client_id: z.string(), name: z.string(), confidential: z.boolean(), redirect_uris: z.array(z.string()), grants: z.array(z.string()),
  scopes: z.array(z.string()), roles: z.array(z.string()), created_at: Time,
})
export const AuditEntry = z.object({
  id: z.int(), at: Time, event: z.string(), user_id: z.string().nullable(), address: z.string(), user_agent: z.string(), call_id: z.string(),
  detail: z.record(z.string(), z.unknown()),
})
export const RecoveryCodes = z.object({ recovery_codes: z.array(z.string()).describe('Shown once') })
export const Accepted = z.object({ status: z.literal('accepted').describe('A letter is on its way, if there is anything to write') })

export function page<Item extends z.ZodType>(item: Item) {
  return z.object({ items: z.array(item), next_cursor: z.string().optional() })
}

export const NewUser = z.strictObject({
  email: Email, name: Name.default(''), roles: Roles.default([]),
  password: Password.optional().describe('Without one its owner asks for one as if it was forgotten'),
})
export const UserChange = z.strictObject({ name: Name.optional(), roles: Roles.optional(), disabled: z.boolean().optional() })
export const NewApiKey = z.strictObject({
  name: Name.min(1), roles: Roles.optional().describe('All of yours, if nothing is said'), expires_in_days: z.int().min(1).max(MAX_KEY_DAYS).optional(),
})
export const NewClient = z.strictObject({
  name: Name.min(1),
  confidential: z.boolean().default(true).describe('Has a secret; apps in browsers and on phones have none'),
  redirect_uris: z.array(z.string().min(1).max(500)).max(MAX_REDIRECT_URIS).default([]),
  grants: z.array(z.enum(grantTypes)).min(1).max(grantTypes.length),
  scopes: z.array(z.enum(scopes)).max(scopes.length).default([]),
  roles: Roles.default([]).describe('Of its tokens from `client_credentials`'),
})

const short = z.string().max(2000)
/** RFC 6749, appendix A. All of it together must fit into the first line of a request. */
const visible = (max: number) => z.string().max(max).regex(/^[\x20-\x7e]*$/, 'must be visible ASCII')
/** Forms of OAuth may have fields that nobody knows: they are left alone (RFC 6749, section 3.1). */
export const AuthorizeQuery = z.object({
  client_id: visible(100).optional(), redirect_uri: visible(500).optional(), response_type: visible(50).optional(), response_mode: visible(50).optional(),
  scope: visible(200).optional(), state: visible(2000).optional(), nonce: visible(500).optional(), code_challenge: visible(128).optional(),
  code_challenge_method: visible(10).optional(), prompt: visible(100).optional(), request: visible(2000).optional(), request_uri: visible(500).optional(),
})
export const LoginForm = z.object({
  request: z.string().max(16_384), email: z.string().max(MAX_EMAIL), password: Password, code: z.string().max(60).optional(),
})
const clientFields = { client_id: short.optional(), client_secret: short.optional() }
export const TokenForm = z.object({
  grant_type: short, code: short.optional(), redirect_uri: short.optional(), code_verifier: short.optional(), refresh_token: Token.optional(),
  scope: short.optional(), ...clientFields,
})
export const TokenStateForm = z.object({ token: Token, token_type_hint: short.optional(), ...clientFields })
export const OAuthError = z.object({ error: z.string(), error_description: z.string() })
export const TokenState = z.looseObject({ active: z.boolean() })
