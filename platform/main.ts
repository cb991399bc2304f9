/** Composition root: settings → parts → start → wait for a signal → stop. */
import { resolve } from 'node:path'
import { readConfig, type Config } from './config.ts'
import { findCredentials } from './gateway/credentials.ts'
import { createGateway, type Gateway } from './gateway/gateway.ts'
import type { Version } from './gateway/system/info.ts'
import { BrambleError, reasonOf } from './lib/errors.ts'
import { alwaysLeader } from './lib/leader.ts'
import { createLog, type Log } from './lib/log.ts'
import { createParts } from './lib/parts.ts'
import { createMetricsServer } from './metrics/server.ts'
import { createLocalProvider } from './provider/local/provider.ts'
import { createAlert } from './scaler/alert.ts'
import { createScaler } from './scaler/scaler.ts'
import { createWake } from './scaler/wake.ts'

export type Running = {
  readonly gatewayUrl: string
  readonly metricsUrl: string
  readonly user: string
  /** `undefined` when `basic_auth` is off. */
  readonly password: string | undefined
  readonly isNewPassword: boolean
}

export type MainOptions = {
  readonly version: Version
  /** Called once everything is up; what it throws stops the platform. */
  readonly onReady?: (running: Running) => void | Promise<void>
}

/** Runs until a signal has stopped everything. Answers the exit code; a second signal exits at once with 1. */
export async function main(env: NodeJS.ProcessEnv, options: MainOptions): Promise<number> {
  const signals = listenForSignals()
  let log = createLog({ write: (line) => process.stderr.write(line), isTerminal: wantsColours(env) })
  try {
    const config = readConfig(env)
    log = createLog({ write: (line) => process.stderr.write(line), level: config.log_level, isTerminal: wantsColours(env) })
    process.on('unhandledRejection', (error) => {
      log.error('unhandled rejection', { error: error instanceof Error ? error.stack : String(error) })
      process.exit(1)
    })
    const platform = await createPlatform(config, options.version, log)
    await platform.parts.start()
    try {
      await options.onReady?.(platform.running())
      await signals.first
      log.info('stopping; a second signal ends at once')
    } finally {
      await platform.parts.stop()
    }
    return 0
  } catch (error) {
    log.error(reasonOf(error), error instanceof BrambleError ? {} : { stack: error instanceof Error ? error.stack : undefined })
    return 1
  } finally {
    signals.stop()
  }
}

type Platform = { readonly parts: ReturnType<typeof createParts>; readonly running: () => Running }

async function createPlatform(config: Config, version: Version, log: Log): Promise<Platform> {
  const dataDir = resolve(config.data_dir)
  const credentials = config.basic_auth
    ? await findCredentials({ secretMountPath: config.secret_mount_path, dataDir })
    : undefined
  const parts = createParts()
  const provider = createLocalProvider({
    dataDir,
    functionsDir: resolve(config.functions_dir),
    gatewayUrl: () => gateway.url(),
    updateTimeoutMs: config.update_timeout,
    log: log.child({ part: 'provider' }),
  })
  const wake = createWake({ provider, log: log.child({ part: 'wake' }) })
  const scaler = createScaler({
    provider,
    leader: alwaysLeader,
    loads: () => gateway.loads(),
    backlog: () => 0,
    dueInMs: () => Infinity,
    log: log.child({ part: 'scaler' }),
  })
  const gateway: Gateway = createGateway({
    provider, waker: wake, alert: createAlert({ provider }), credentials, host: config.host, port: config.port, version,
    log: log.child({ part: 'gateway' }),
    limits: {
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
    },
  })
  const metrics = createMetricsServer({
    host: config.host, port: config.metrics_port, snapshot: gateway.snapshot, isReady: gateway.isReady,
  })
  parts.add('metrics', metrics)
  parts.add('provider', provider)
  parts.add('wake', wake)
  parts.add('scaler', scaler)
  parts.add('gateway', gateway)
  return {
    parts,
    running: () => ({
      gatewayUrl: gateway.url(),
      metricsUrl: metrics.url(),
      user: credentials?.user ?? '',
      password: credentials?.password,
      isNewPassword: credentials?.isNew ?? false,
    }),
  }
}

function listenForSignals(): { readonly first: Promise<void>; stop(): void } {
  let count = 0
  const { promise, resolve: signalled } = Promise.withResolvers<void>()
  const onSignal = (): void => {
    if (++count > 1) process.exit(1)
    signalled()
  }
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal)
  return {
    first: promise,
    stop: () => { process.off('SIGTERM', onSignal).off('SIGINT', onSignal) },
  }
}

function wantsColours(env: NodeJS.ProcessEnv): boolean {
  return process.stderr.isTTY === true && !env['NO_COLOR']
}
