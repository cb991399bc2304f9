/** Who calls, as far as it can be known behind a gateway. Pure. */
import { isIP } from 'node:net'

/**
 * The last address of `X-Forwarded-For`: the one that the proxy nearest to us wrote. Earlier ones are whatever the caller says.
 * Of IPv6 the network: whoever has one address of a /64 has them all.
 */
export function clientAddress(forwardedFor: string | undefined, peer: string | undefined): string {
  const last = forwardedFor?.split(',').at(-1)?.trim() ?? ''
  const address = withoutPort(isAddress(last) ? last : peer ?? '')
  const plain = address.replace(/^::ffff:(?=\d+\.)/, '')
  return isIP(plain) === 6 ? networkOf(plain) : isIP(plain) === 4 ? plain : 'unknown'
}

const BITS_OF_NETWORK = 64
const BITS_OF_GROUP = 16
const GROUPS = 8

function isAddress(text: string): boolean {
  return isIP(withoutPort(text)) !== 0
}

/** `[::1]:80`, `127.0.0.1:80` and the bare ones. */
function withoutPort(text: string): string {
  return /^\[(.+)\](?::\d+)?$/.exec(text)?.[1] ?? /^(\d+(?:\.\d+){3}):\d+$/.exec(text)?.[1] ?? text
}

function networkOf(address: string): string {
  const [head = '', tail] = (address.split('%')[0] ?? '').split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const middle = tail === undefined ? 0 : GROUPS - left.length - right.length
  const groups = [...left, ...Array.from({ length: Math.max(0, middle) }, () => '0'), ...right]
  const network = groups.slice(0, BITS_OF_NETWORK / BITS_OF_GROUP).map((group) => parseInt(group, 16).toString(16))
  return `${network.join(':')}::/${BITS_OF_NETWORK}`
}
