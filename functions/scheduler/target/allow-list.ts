/** What a job may call: functions by pattern, URLs by prefix. Asked when a job is made, and again before each call: the list may be another one by then. */
import { isIP } from 'node:net'
import { isPublicAddress } from './public-address.ts'

export type Target =
  | { readonly function: string; readonly path: string }
  | { readonly url: string }

export type AllowList = {
  /** Why the target may not be called; `undefined`: it may. */
  refusal(target: Target): string | undefined
  /** Whether the host of this URL may have a private address. */
  mayBePrivate(url: URL): boolean
  /** Whether the service token is shown to this function. */
  isTrusted(name: string): boolean
}

export type AllowListSettings = {
  readonly allowedFunctions: readonly string[]
  readonly allowedUrls: readonly string[]
  readonly privateHosts: readonly string[]
  readonly tokenFunctions: readonly string[]
}

/** Names that never leave this machine or this network. */
const privateName = /(?:^|\.)(?:localhost|local|internal|svc)$/

export function createAllowList({ allowedFunctions, allowedUrls, privateHosts, tokenFunctions }: AllowListSettings): AllowList {
  const functions = allowedFunctions.map(patternOf)
  const trusted = tokenFunctions.map(patternOf)
  const prefixes = allowedUrls.map((text) => new URL(text))
  const hosts = new Set(privateHosts)
  const mayBePrivate = (url: URL): boolean => hosts.has(url.hostname) || hosts.has(url.host)

  return {
    refusal(target) {
      if ('function' in target) {
        if (!functions.some((pattern) => pattern.test(target.function))) return `the function ${target.function} is not in allowed_functions`
        return isWithin(target) ? undefined : `the path ${target.path} leaves the function ${target.function}: write it without "." and ".."`
      }
      const url = URL.parse(target.url)
      if (url === null || !/^https?:$/.test(url.protocol)) return 'the url is not an http or https URL'
      if (url.username !== '' || url.password !== '') return 'the url must not have a password in it: use a header'
      if (!prefixes.some((prefix) => isUnder(url, prefix))) return `the url ${url.origin}${url.pathname} is not in allowed_urls`
      const host = url.hostname.replace(/^\[|\]$/g, '')
      const isOutside = isIP(host) === 0 ? !privateName.test(host) && host.includes('.') : isPublicAddress(host)
      return isOutside || mayBePrivate(url) ? undefined : `the host ${url.host} is not on the public Internet; allow it in private_hosts`
    },
    mayBePrivate,
    isTrusted: (name) => trusted.some((pattern) => pattern.test(name)),
  }
}

/** As the client reads it that makes the call: `..`, `%2e%2e` and backslashes are steps upwards. */
function isWithin({ function: name, path }: { readonly function: string; readonly path: string }): boolean {
  const own = `/function/${name}/`
  return URL.parse(`http://gateway${own.slice(0, -1)}${path}`)?.pathname.startsWith(own) === true
}

/** Whole segments: `/hooks` allows `/hooks/a`, not `/hooks-of-others`. The parser has taken `..` away, but not its encoded slashes. */
function isUnder(url: URL, prefix: URL): boolean {
  if (url.origin !== prefix.origin) return false
  if (/%2f|%5c/i.test(url.pathname)) return false
  return url.pathname === prefix.pathname || url.pathname.startsWith(prefix.pathname.replace(/\/?$/, '/'))
}

function patternOf(text: string): RegExp {
  return new RegExp(`^${text.split('*').map((part) => part.replace(/[.]/g, '\\.')).join('.*')}$`)
}
