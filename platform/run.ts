/** What surrounds the parts of every program here: settings, log, the wait for a signal, the exit code. */
import { readConfig, type Config } from './config.ts'
import type { DataPathLimits } from './gateway/data-path.ts'
import { BrambleError, reasonOf } from './lib/errors.ts'
import { createLog, type Log } from './lib/log.ts'
import type { Part } from './lib/parts.ts'

export type Program = {
  readonly parts: Part
  /** Once everything is up; what it throws stops the program. */
  readonly onReady?: () => void | Promise<void>
}

/**
 * Runs until a signal has stopped everything; `signal` fires with it, also while parts are starting. Answers the exit code;
 * a second signal exits at once with 1.
 */
export async function run(env: NodeJS.ProcessEnv, create: (config: Config, log: Log, signal: AbortSignal) => Program | Promise<Program>): Promise<number> {
  const signals = listenForSignals()
  const stopping = new AbortController()
  void signals.first.then(() => stopping.abort())
  const write = (line: string): void => { process.stderr.write(line) }
  const isTerminal = process.stderr.isTTY === true && !env['NO_COLOR']
  let log = createLog({ write, isTerminal })
  try {
    const config = readConfig(env)
    log = createLog({ write, level: config.log_level, isTerminal })
    process.on('unhandledRejection', (error) => {
      log.error('unhandled rejection', { error: error instanceof Error ? error.stack : String(error) })
      process.exit(1)
    })
    const { parts, onReady } = await create(config, log, stopping.signal)
    await parts.start()
    try {
      await onReady?.()
      await signals.first
      log.info('stopping; a second signal ends at once')
    } finally {
      await parts.stop()
    }
    return 0
  } catch (error) {
    if (stopping.signal.aborted) return 0
    log.error(reasonOf(error), error instanceof BrambleError ? {} : { stack: error instanceof Error ? error.stack : undefined })
    return 1
  } finally {
    signals.stop()
  }
}

export function limitsOf(config: Config): DataPathLimits {
  return {
    readTimeoutMs: config.read_timeout,
    writeTimeoutMs: config.write_timeout,
    upstreamTimeoutMs: config.upstream_timeout,
    readyTimeoutMs: config.ready_timeout,
    idleTimeoutMs: config.idle_timeout,
    shutdownTimeoutMs: config.shutdown_timeout,
    maxConnections: config.max_connections,
    maxInFlight: config.max_inflight,
    maxWaiting: config.max_waiting,
    bodyLimitBytes: config.body_limit,
  }
}

/** A parent that dies takes its child along: the channel between them breaks. */
function listenForSignals(): { readonly first: Promise<void>; stop(): void } {
  let count = 0
  const { promise, resolve: signalled } = Promise.withResolvers<void>()
  const onSignal = (): void => {
    if (++count > 1) process.exit(1)
    signalled()
  }
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal).on('disconnect', signalled)
  return {
    first: promise,
    stop() {
      process.off('SIGTERM', onSignal).off('SIGINT', onSignal).off('disconnect', signalled)
      if (process.connected) process.disconnect?.()
    },
  }
}
