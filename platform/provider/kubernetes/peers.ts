/** The other platforms of the cluster: a replica that is drained here may still have calls of theirs. */
import { reasonOf } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import type { Part } from '../../lib/parts.ts'
import type { Client } from './client.ts'
import { listAt, textAt } from './json.ts'
import { GATEWAY_LABEL, PLATFORM_NAMESPACE } from './names.ts'
import { viewObject, type ObjectView } from './objects.ts'
import { paths } from './paths.ts'
import { createWatch } from './watch.ts'

export type Peers = Part & {
  /** Names of the pods of the others that take calls, or finish theirs. */
  others(): readonly string[]
}

type Peer = ObjectView & { readonly name: string }

export type PeersDeps = {
  readonly client: Client
  /** The name of this platform's own pod; absent outside of a cluster. */
  readonly self: string | undefined
  /** One came or went. */
  readonly onChange: () => void
  readonly log: Log
}

export function createPeers({ client, self, onChange, log }: PeersDeps): Peers {
  const pods = createWatch<Peer>({
    client, path: paths.pods(PLATFORM_NAMESPACE), query: { labelSelector: `app=${GATEWAY_LABEL}` }, log, onChange,
    view(object) {
      const base = viewObject(object)
      const isRunning = listAt(object, 'status', 'conditions').some((one) => textAt(one, 'type') === 'ContainersReady' && textAt(one, 'status') === 'True')
      // One that is leaving still has calls in flight.
      return base && (isRunning || base.isLeaving) ? { ...base, name: textAt(object, 'metadata', 'name') ?? '' } : undefined
    },
  })
  return {
    others: () => [...pods.items.values()].map(({ name }) => name).filter((name) => name !== self),
    start: () => pods.start().catch((error: unknown) => log.warn('other platforms cannot be seen: apply deploy.yml', { error: reasonOf(error) })),
    stop: pods.stop,
  }
}
