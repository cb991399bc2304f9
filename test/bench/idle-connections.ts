/**
 * Opens keep-alive connections, makes one call on each and holds them: `… URL COUNT`. Prints how many are held, and
 * again on each line of its input how many still are.
 */
import { openConnection, type Connection } from './connection.ts'
import { readArguments, requestOf } from './load-options.ts'

/** Opened at the same time; more would overrun the queue of a listening socket. */
const AT_ONCE = 100
const ANSWER_LIMIT_MS = 120_000

const options = readArguments(process.argv.slice(2, 3))
let left = Number(process.argv[3])
const { hostname, port } = new URL(options.url)
const held: Connection[] = []
const failures: Record<string, number> = {}
await Promise.all(Array.from({ length: AT_ONCE }, async () => {
  while (left-- > 0) {
    const failure = await hold().catch((error: Error) => error.message)
    if (failure !== undefined) failures[failure] = (failures[failure] ?? 0) + 1
  }
}))
say()
process.stdin.on('data', say)
process.stdin.on('end', () => process.exit(0))

async function hold(): Promise<string | undefined> {
  const connection = await openConnection({
    host: hostname, port: Number(port), method: options.method, request: requestOf(options), timeoutMs: ANSWER_LIMIT_MS,
  })
  held.push(connection)
  return new Promise((resolve) => connection.call((outcome) => {
    resolve('failure' in outcome ? outcome.failure : outcome.answer.status === 200 ? undefined : String(outcome.answer.status))
  }))
}

function say(): void {
  console.log(JSON.stringify({ held: held.filter((connection) => connection.isOpen()).length, failures }))
}
