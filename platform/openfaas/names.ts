/** Names: what is allowed, and how `NAME.NAMESPACE` is taken apart. Source: RFC 1123, OpenFaaS service names. */
import { BrambleError } from '../lib/errors.ts'
import { DEFAULT_NAMESPACE, type FunctionRef } from './types.ts'

const MAX_LABEL_LENGTH = 63
const MAX_SUBDOMAIN_LENGTH = 253
const dnsLabel = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/
const dnsSubdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/

export function isDnsLabel(text: string): boolean {
  return text.length <= MAX_LABEL_LENGTH && dnsLabel.test(text)
}

export function checkDnsLabel(text: string, what: string): string {
  if (isDnsLabel(text)) return text
  throw new BrambleError('INVALID',
    `${what} "${shorten(text)}" is not valid: use lower-case letters, digits and "-", ` +
    `start and end with a letter or digit, at most ${MAX_LABEL_LENGTH} characters`)
}

export function checkSecretName(text: string): string {
  if (text.length <= MAX_SUBDOMAIN_LENGTH && dnsSubdomain.test(text)) return text
  throw new BrambleError('INVALID',
    `secret name "${shorten(text)}" is not valid: use lower-case letters, digits, "-" and ".", ` +
    `start and end with a letter or digit, at most ${MAX_SUBDOMAIN_LENGTH} characters`)
}

/** `hello` and `hello.staging` into name and namespace, split at the last dot. Not validated. */
export function splitServiceName(text: string): FunctionRef {
  const dot = text.lastIndexOf('.')
  return dot < 0
    ? { name: text, namespace: DEFAULT_NAMESPACE }
    : { name: text.slice(0, dot), namespace: text.slice(dot + 1) }
}

/** The one text that names a function everywhere: metrics, maps, folders. */
export function serviceName(ref: FunctionRef): string {
  return `${ref.name}.${ref.namespace}`
}

function shorten(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}
