/**
 * What the port promises, as tests: one body for every adapter. An adapter's test file says how to get a running
 * provider and how to make an image of the probe function, and calls this.
 */
import { deployments } from './contract-deployments.ts'
import { lifecycles } from './contract-lifecycles.ts'
import { logging } from './contract-logging.ts'
import { resources } from './contract-resources.ts'
import type { Provider } from '../../platform/provider/provider.ts'
import type { DataPath } from './data-path.ts'

export type ContractWorld = AsyncDisposable & {
  readonly provider: Provider
  readonly path: DataPath
  /** An image that is not there, and where it would be. */
  readonly absentImage: string
  /** Makes an image of the probe function whose `/version` answers this; answers its reference. */
  makeImage(name: string, version?: string): Promise<string>
}

export function providerContract(open: () => Promise<ContractWorld>): void {
  deployments(open)
  lifecycles(open)
  logging(open)
  resources(open)
}
