/** One version of a function: what its replicas run. Two with the same id are the same in everything. */
import { createHash } from 'node:crypto'
import type { FunctionSpec } from '../../openfaas/types.ts'
import { volumePathOf } from '../../openfaas/volume.ts'

export type Revision = {
  readonly id: string
  readonly spec: FunctionSpec
  /** The snapshot of the bundle, named by the hash of its content. */
  readonly bundle: string
  /** Secret name → hash of the value it had at the deployment: a changed secret makes another revision. */
  readonly secrets: Readonly<Record<string, string>>
}

export function createRevision(parts: Omit<Revision, 'id'>): Revision {
  const { spec, bundle, secrets } = parts
  const id = createHash('sha256').update(JSON.stringify(sorted({ spec, bundle, secrets }))).digest('hex').slice(0, 32)
  return { id, spec, bundle, secrets }
}

export function hasVolume({ spec }: Revision): boolean {
  return volumePathOf(spec) !== undefined
}

/** The order in which a client sent the entries of a map means nothing. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, one]) => [key, sorted(one)]))
}
