/** The port's contract on pods of a cluster. */
import { providerContract } from '../provider/contract.ts'
import { openProviderWorld } from './provider-world.ts'

providerContract(openProviderWorld)
