/** Whether an IP address is one of the public Internet. Source: the IANA special-purpose address registries. */
import { BlockList, isIPv6 } from 'node:net'

const special = new BlockList()
for (const [net, bits] of [
  ['0.0.0.0', 8], ['10.0.0.0', 8], ['100.64.0.0', 10], ['127.0.0.0', 8], ['169.254.0.0', 16], ['172.16.0.0', 12],
  ['192.0.0.0', 24], ['192.0.2.0', 24], ['192.88.99.0', 24], ['192.168.0.0', 16], ['198.18.0.0', 15], ['198.51.100.0', 24],
  ['203.0.113.0', 24], ['224.0.0.0', 4], ['240.0.0.0', 4],
] as const) special.addSubnet(net, bits, 'ipv4')
for (const [net, bits] of [
  // Protocol assignments with Teredo, documentation twice, 6to4: the latter and Teredo hold IPv4 addresses.
  ['2001::', 23], ['2001:db8::', 32], ['3fff::', 20], ['2002::', 16],
] as const) special.addSubnet(net, bits, 'ipv6')
/** All of IPv6 that is given out; the rest is loopback, link-local, unique local, multicast, or IPv4 in disguise. */
const globalUnicast = new BlockList()
globalUnicast.addSubnet('2000::', 3, 'ipv6')

export function isPublicAddress(address: string): boolean {
  if (!isIPv6(address)) return !special.check(address, 'ipv4')
  return globalUnicast.check(address, 'ipv6') && !special.check(address, 'ipv6')
}
