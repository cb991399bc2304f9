/** A platform in a process of its own, for tests that kill it: starts the provider, deploys, says where replicas are. */
import { createLog } from '../../../platform/lib/log.ts'
import { createLocalProvider } from '../../../platform/provider/local/provider.ts'
import { specOf } from '../spec-of.ts'

const [dataDir = '', functionsDir = '', ...names] = process.argv.slice(2)
const provider = createLocalProvider({
  dataDir, functionsDir, gatewayUrl: () => 'http://127.0.0.1:8080',
  log: createLog({ write: (line) => process.stderr.write(line) }),
})
try {
  await provider.start()
} catch (error) {
  console.log(JSON.stringify({ refused: error instanceof Error ? error.message : String(error) }))
  process.exit(1)
}
provider.watch(({ ref, route }) => console.log(JSON.stringify({ name: ref.name, endpoints: route?.endpoints ?? [] })))
for (const name of names) await provider.apply(specOf(name))
console.log(JSON.stringify({ applied: names }))
setInterval(() => undefined, 60_000)
process.on('SIGTERM', () => { void provider.stop().then(() => process.exit(0)) })
