/**
 * What replicas say of themselves: "I serve, and this is where I spoke from". Believed when the address is one that the
 * pod's node gives to pods: behind a network that hides senders it would be a node's own.
 */
import { BlockList, isIP } from 'node:net'
import { reasonOf } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import type { Client } from './client.ts'
import type { Cluster } from './cluster.ts'
import { listAt, objectAt, textAt } from './json.ts'
import { paths } from './paths.ts'

export type Announcements = {
  /** `uid` is the pod's; one that is unknown, or has its address already, is ignored. */
  announced(uid: string, host: string): void
}

export function createAnnouncements({ client, cluster, log }: { client: Client; cluster: Cluster; log: Log }): Announcements {
  /** By node: what its pods get their addresses from. A node keeps it for life. */
  const networks = new Map<string, BlockList>()
  let reading: Promise<void> | undefined
  const readNodes = async (): Promise<void> => {
    for (const node of listAt(await client.get(paths.nodes()), 'items')) networks.set(textAt(node, 'metadata', 'name') ?? '', networkOf(node))
  }

  const announced = async (uid: string, host: string): Promise<void> => {
    const node = cluster.nodeOfNewcomer(uid)
    if (node === undefined || isIP(host) === 0) return
    if (!networks.has(node)) await (reading ??= readNodes().finally(() => { reading = undefined }))
    if (networks.get(node)?.check(host, isIP(host) === 6 ? 'ipv6' : 'ipv4')) cluster.announced(uid, host)
  }
  return {
    announced(uid, host) {
      announced(uid, host).catch((error: unknown) => log.warn('a replica that says it serves could not be followed', { error: reasonOf(error) }))
    },
  }
}

function networkOf(node: unknown): BlockList {
  const network = new BlockList()
  const spec = objectAt(node, 'spec')
  const all: unknown[] = Array.isArray(spec['podCIDRs']) ? spec['podCIDRs'] : [spec['podCIDR']]
  for (const one of all) {
    const [, address, bits] = /^([0-9a-fA-F.:]+)\/([0-9]{1,3})$/.exec(String(one)) ?? []
    if (address !== undefined) network.addSubnet(address, Number(bits), isIP(address) === 6 ? 'ipv6' : 'ipv4')
  }
  return network
}
