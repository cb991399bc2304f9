/** What a registry or the way to it says, in words a person can act on. */
import { BrambleError, hasCode, reasonOf, type ErrorCode } from '../lib/errors.ts'

/** What was asked, for the message. */
export type Asked = {
  readonly registry: string
  /** What was to be done: `push the layer sha256:… to team/hello`. */
  readonly purpose: string
  /** The file or helper of the credentials that were sent. */
  readonly credentialOrigin?: string | undefined
}

export type Refusal = { readonly status: number; readonly body: string }

/** Texts of registries beyond this are not for people. */
const MAX_TEXT_LENGTH = 300

/** The connection ended or never came: the same request may succeed later. */
const passingCodes = ['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ECONNREFUSED', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'ENETDOWN', 'ECONNABORTED'] as const
/** Nobody is there, as far as one can know from here. */
const absenceCodes = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'ENETDOWN'] as const
const untrustedCodes = [
  'DEPTH_ZERO_SELF_SIGNED_CERT', 'SELF_SIGNED_CERT_IN_CHAIN', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'CERT_UNTRUSTED', 'INVALID_CA', 'CERT_SIGNATURE_FAILURE',
] as const
const isOneOf = (error: unknown, codes: readonly string[]): boolean => codes.some((code) => hasCode(error, code))

/** Whether trying again may help. */
export function isPassing(error: unknown): boolean {
  const cause = error instanceof BrambleError ? error.cause : error
  return isOneOf(cause, passingCodes) || (error instanceof BrambleError && error.code === 'TIMEOUT')
}

/** Whether the connection never came about; of a registry that has not answered yet, a silence says the same. */
export function isAbsence(error: unknown): boolean {
  return isOneOf(firstOf(error), absenceCodes) || (error instanceof BrambleError && error.code === 'TIMEOUT')
}

/** Whether the other side does not speak TLS at all. */
export function isNoTls(error: unknown): boolean {
  return hasCode(error, 'EPROTO') || hasCode(error, 'ERR_SSL_WRONG_VERSION_NUMBER') || hasCode(error, 'ERR_SSL_PACKET_LENGTH_TOO_LONG')
}

/** A failed connection. */
export function connectionError(error: unknown, { registry, purpose }: Asked): BrambleError {
  if (error instanceof BrambleError) return error
  const cause = firstOf(error)
  const say = (code: ErrorCode, words: string) => new BrambleError(code, words, { cause })
  const trust = (why: string, remedy: string) => say('UNAVAILABLE', `the certificate of registry ${registry} ${why}: ${remedy}`)
  if (isOneOf(cause, untrustedCodes)) {
    return trust('is not trusted here', 'name the file of its certificate authority with --registry-ca FILE (or registry_ca_file)')
  }
  if (hasCode(cause, 'ERR_TLS_CERT_ALTNAME_INVALID')) return trust('is for another name', `use one of the names it was made for (${reasonOf(cause)})`)
  if (hasCode(cause, 'CERT_HAS_EXPIRED')) return trust('has expired', 'renew it, or set the clock of this machine')
  if (hasCode(cause, 'CERT_NOT_YET_VALID')) return trust('is not valid yet', 'set the clock of this machine')
  if (isNoTls(cause)) {
    return say('UNAVAILABLE', `registry ${registry} does not speak TLS: if its network can be trusted, allow it with --insecure-registry ${registry}`)
  }
  if (isOneOf(cause, absenceCodes)) {
    const why = hasCode(cause, 'ECONNREFUSED') ? 'the connection is refused' : hasCode(cause, 'ENOTFOUND') || hasCode(cause, 'EAI_AGAIN') ? 'its name is not known' : 'there is no way to it'
    return say('UNAVAILABLE', `registry ${registry} cannot be reached: ${why}; is it running, and is its name right in the image reference?`)
  }
  if (hasCode(cause, 'ETIMEDOUT')) return say('TIMEOUT', `registry ${registry} did not answer in time, trying to ${purpose}`)
  return say('UPSTREAM', `the connection to registry ${registry} was cut, trying to ${purpose}: ${reasonOf(cause)}`)
}

/** An answer that is no success. */
export function refusalError({ status, body }: Refusal, asked: Asked): BrambleError {
  const { registry, purpose, credentialOrigin } = asked
  const { codes, words } = readErrors(body)
  const said = words === '' ? `status ${status}` : `${words} (status ${status})`
  const say = (code: ErrorCode, text: string) => new BrambleError(code, text)
  if (isFull(status, body)) {
    return say('UNAVAILABLE', `registry ${registry} is full, trying to ${purpose}: make room there ("bramble images prune" removes what no function uses), then push again`)
  }
  if (status === 401) {
    return say('UNAUTHORIZED', credentialOrigin === undefined
      ? `registry ${registry} asks for a password to ${purpose}, and none is known: run "docker login ${registry}", or name a file with --registry-auth FILE (or registry_auth_file)`
      : `registry ${registry} refuses the credentials from ${credentialOrigin} to ${purpose}: log in again, or correct the file`)
  }
  if (status === 403 || codes.includes('DENIED')) {
    return say('FORBIDDEN', `registry ${registry} does not let ${credentialOrigin === undefined ? 'strangers' : `the credentials from ${credentialOrigin}`} ${purpose}: ${said}`)
  }
  if (codes.includes('NAME_UNKNOWN')) return say('NOT_FOUND', `registry ${registry} knows no such repository, trying to ${purpose}: check the name of the image`)
  if (codes.includes('MANIFEST_UNKNOWN')) return say('NOT_FOUND', `registry ${registry} has no such image, trying to ${purpose}: check its tag`)
  if (codes.includes('NAME_INVALID')) return say('INVALID', `registry ${registry} does not accept the repository's name, trying to ${purpose}: ${said}`)
  if (status === 404) return say('NOT_FOUND', `registry ${registry} answers "not found", trying to ${purpose}: ${said}`)
  if (status === 405 || codes.includes('UNSUPPORTED')) return say('UNSUPPORTED', `registry ${registry} does not allow to ${purpose}: ${said}`)
  if (status === 413) return say('TOO_LARGE', `registry ${registry} finds it too large, trying to ${purpose}: raise the body limit of the registry or of the proxy before it (${said})`)
  if (status === 429) return say('BUSY', `registry ${registry} is asked too often, trying to ${purpose}: ${said}; wait and try again`)
  if (status >= 500) return say('UPSTREAM', `registry ${registry} failed, trying to ${purpose}: ${said}; its log says more`)
  return say('UPSTREAM', `registry ${registry} refuses to ${purpose}: ${said}`)
}

/** 507, or a failing registry that names its disk; Linux numbers "no space left" 28 and "quota exceeded" 122. */
export function isFull(status: number, body: string): boolean {
  return status === 507 || (status >= 400 && /no space left|not enough space|insufficient storage|disk (?:is )?full|quota (?:has been )?exceeded|\bENOSPC\b|\bEDQUOT\b|"Err":\s*(?:28|122)\b/i.test(body))
}

/** `{"errors": [{code, message, detail}]}` of the distribution API, or whatever text there is. */
function readErrors(body: string): { readonly codes: readonly string[]; readonly words: string } {
  let json: unknown
  try {
    json = JSON.parse(body)
  } catch {
    // A proxy's page is not for people.
    return { codes: [], words: /^\s*</.test(body) ? '' : oneLine(body) }
  }
  const list: unknown = typeof json === 'object' && json !== null && 'errors' in json ? json.errors : undefined
  const errors = (Array.isArray(list) ? list : []).filter((one: unknown): one is object => typeof one === 'object' && one !== null)
  return {
    codes: errors.flatMap((one) => 'code' in one && typeof one.code === 'string' ? [one.code] : []),
    words: oneLine(errors.flatMap((one) => 'message' in one && typeof one.message === 'string' ? [one.message] : []).join('; ')),
  }
}

/** Text from outside: nothing in it may steer a terminal. */
function oneLine(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f\s]+/g, ' ').trim().slice(0, MAX_TEXT_LENGTH)
}

/** A connection tried at several addresses fails with all their errors. */
function firstOf(error: unknown): unknown {
  return error instanceof AggregateError && error.errors.length > 0 ? error.errors[0] : error
}
