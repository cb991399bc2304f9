#!/usr/bin/env node
/** `bramble`: finds the command and runs it; the only place that knows the process. */
import { BrambleError, hasCode, reasonOf } from '../lib/errors.ts'
import { nearest } from '../stack/nearest.ts'
import type { Command, Io } from './command.ts'
import { commandHelp, overview } from './help.ts'
import { paint, print, tell } from './terminal.ts'
import { readVersion } from './version.ts'

/** Each is loaded when it is called: `bramble list` does not wait for what `start` needs. */
const commands: readonly { readonly name: string; readonly summary: string; readonly load: () => Promise<Command> }[] = [
  { name: 'start', summary: 'start the platform on this machine with the functions of the stack file', load: async () => (await import('./start.ts')).start },
  { name: 'up', summary: 'build and deploy the functions of the stack file, and wait until they serve', load: async () => (await import('./up.ts')).up },
  { name: 'dev', summary: 'the same, and again with every change', load: async () => (await import('./dev.ts')).dev },
  { name: 'lint', summary: 'what is wrong with a stack file, or would be on OpenFaaS', load: async () => (await import('./lint.ts')).lint },
  { name: 'build', summary: 'make an image of each function, without Docker and without root', load: async () => (await import('./build-images.ts')).buildImages },
  { name: 'push', summary: 'send the images of functions to their registries', load: async () => (await import('./push.ts')).push },
  { name: 'images', summary: 'what is in the registry, and what no function uses', load: async () => (await import('./images.ts')).images },
  { name: 'list', summary: 'the deployed functions', load: async () => (await import('./list.ts')).list },
  { name: 'describe', summary: 'one function: replicas, memory, what is wrong', load: async () => (await import('./describe.ts')).describe },
  { name: 'invoke', summary: 'call a function', load: async () => (await import('./invoke.ts')).invoke },
  { name: 'logs', summary: 'what a function wrote', load: async () => (await import('./logs.ts')).logs },
  { name: 'scale', summary: 'ask for so many replicas', load: async () => (await import('./scale.ts')).scale },
  { name: 'cron', summary: 'the schedules of functions, with their last and next runs', load: async () => (await import('./cron.ts')).cron },
  { name: 'queue', summary: 'asynchronous calls that wait, and those given up', load: async () => (await import('./queue.ts')).queue },
  { name: 'remove', summary: 'remove functions', load: async () => (await import('./remove.ts')).remove },
  { name: 'secret', summary: 'create, update, list and remove secrets', load: async () => (await import('./secret.ts')).secret },
  { name: 'login', summary: 'keep user and password of a gateway', load: async () => (await import('./login.ts')).login },
]

async function run(words: readonly string[], io: Io): Promise<number> {
  const [first, ...rest] = words
  if (first === undefined) {
    tell(io, overview(commands))
    return 1
  }
  if (first === '--help' || first === '-h' || (first === 'help' && rest.length === 0)) {
    print(io, overview(commands))
    return 0
  }
  if (first === '--version' || first === 'version') {
    const { release, sha } = readVersion()
    print(io, `bramble ${release} (${sha})`)
    return 0
  }
  const command = await find(first === 'help' ? rest[0] ?? '' : first)
  const beforeDashes = rest.includes('--') ? rest.slice(0, rest.indexOf('--')) : rest
  if (first === 'help' || beforeDashes.includes('--help') || beforeDashes.includes('-h')) {
    print(io, commandHelp(command))
    return 0
  }
  return command.run(rest, io)
}

async function find(name: string): Promise<Command> {
  const found = commands.find((one) => one.name === name)
  if (found) return found.load()
  const meant = nearest(name, commands.map((one) => one.name))
  const what = name.startsWith('-') ? `"${name}" comes before the command` : `there is no command "${name}"`
  throw new BrambleError('INVALID', `${what}: ${meant ? `did you mean "${meant}"?` : '"bramble help" lists them'}`)
}

let interruption: AbortController | undefined
const io: Io = {
  cwd: process.cwd(),
  env: process.env,
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  interrupted() {
    if (interruption) return interruption.signal
    const controller = interruption = new AbortController()
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => controller.abort())
    return controller.signal
  },
}

// A reader that has seen enough (`bramble logs hello | head`) is no fault.
process.stdout.on('error', (error) => process.exit(hasCode(error, 'EPIPE') ? 0 : 1))
try {
  process.exitCode = await run(process.argv.slice(2), io)
} catch (error) {
  tell(io, paint(io, 'red', error instanceof BrambleError ? error.message : error instanceof Error && error.stack || reasonOf(error)))
  process.exitCode = 1
}
// Standard input may still be open (a function that answers early): it keeps nobody waiting.
process.stdin.destroy()
