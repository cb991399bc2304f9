/** A function's process from its first line to its exit code; the only file of the runtime that ends it. */
import { captureConsole, log } from './log.ts'
import { createFunctionServer, http, type FunctionServer } from './server.ts'
import { readSettings, type Settings } from './settings.ts'

/**
 * Serves a handler until the process is told to stop. Takes the handler itself, or the promise of its module
 * (`serve(import('./handler.ts'))`): health answers while that is still loading, and its errors get readable stacks.
 */
export function serve(handler: unknown): void {
  captureConsole()
  process.on('uncaughtException', (error) => die('nobody caught an error', error))
  process.on('unhandledRejection', (error) => die('nobody handled a rejection', error))
  const { settings, problems } = readSettings(process.env)
  if (problems.length > 0) return refuseToStart(problems.join('; '))
  const server = createFunctionServer(settings)
  stopOnSignal(server, settings)
  void start(server, handler, settings)
}

async function start(server: FunctionServer, handler: unknown, { announceUrl }: Settings): Promise<void> {
  const ports = await server.listen().catch((error: unknown) => refuseToStart(messageOf(error)))
  const loaded = handler instanceof Promise
    ? await handler.then(defaultOf, (error: unknown) => die('the handler does not load', error))
    : handler
  try {
    server.load(loaded)
    // Who does not hear it finds out by asking.
    if (announceUrl) http.request(announceUrl, { method: 'POST', agent: false }).on('error', () => {}).end()
  } catch (error) {
    refuseToStart(messageOf(error))
  }
  log.info('ready', { ...ports, startMs: Math.round(performance.now()) })
}

function stopOnSignal(server: FunctionServer, settings: Settings): void {
  let isStopping = false
  const onSignal = (signal: NodeJS.Signals): void => {
    if (isStopping) {
      log.warn('a second signal ends the function at once', { signal, inFlight: server.inFlight() })
      process.exit(1)
    }
    isStopping = true
    log.info('stopping', { signal, inFlight: server.inFlight() })
    void stop(server, settings)
  }
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal)
}

async function stop(server: FunctionServer, { shutdownTimeoutMs, shutdownGraceMs }: Settings): Promise<void> {
  server.drain()
  if (shutdownTimeoutMs > 0) {
    setTimeout(() => {
      log.error('calls did not finish within shutdown_timeout', { inFlight: server.inFlight() })
      process.exit(1)
    }, shutdownTimeoutMs)
  }
  const graceMs = shutdownTimeoutMs > 0 ? Math.min(shutdownGraceMs, shutdownTimeoutMs / 2) : shutdownGraceMs
  await new Promise((resolve) => setTimeout(resolve, graceMs))
  await server.close()
  log.info('stopped')
  process.exit(0)
}

function defaultOf(module: unknown): unknown {
  return typeof module === 'object' && module !== null && 'default' in module ? module.default : undefined
}

function refuseToStart(reason: string): never {
  log.error(`the function cannot start: ${reason}`)
  process.exit(1)
}

function die(message: string, error: unknown): never {
  log.error(message, { error })
  process.exit(1)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
