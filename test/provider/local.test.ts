/** The port's contract on processes of this machine. */
import { providerContract } from './contract.ts'
import { writeBundle } from './probe-function.ts'
import { makeFolders, startLocal } from './world.ts'

providerContract(async () => {
  const folders = await makeFolders()
  const local = await startLocal(folders)
  return {
    provider: local.provider,
    path: local.path,
    absentImage: 'registry.local/no-such-image:1',
    async makeImage(name, version) {
      await writeBundle(folders.functionsDir, name, version)
      return `registry.local/probes/${name}:1`
    },
    async [Symbol.asyncDispose]() {
      await local[Symbol.asyncDispose]()
      await folders[Symbol.asyncDispose]()
    },
  }
})
