/** Composition root: settings → parts → start → wait for a signal → stop. */
import { extname, join, resolve } from 'node:path'
import { createAsynchronous } from './async-calls.ts'
import { createChildren } from './children.ts'
import type { Config } from './config.ts'
import { createCall } from './cron/call.ts'
import { createCron } from './cron/cron.ts'
import { createHistory } from './cron/history.ts'
import { planJobs } from './cron/plan.ts'
import { createControl } from './gateway/control/control.ts'
import { findCredentials, type FoundCredentials } from './gateway/credentials.ts'
import { createGateway, type Gateway } from './gateway/gateway.ts'
import type { Version } from './gateway/system/info.ts'
import type { Registries } from './image/registries.ts'
import { createLead } from './lead.ts'
import { systemClock } from './lib/clock.ts'
import type { Log } from './lib/log.ts'
import { createParts } from './lib/parts.ts'
import { expose, type Snapshot } from './metrics/exposition.ts'
import { createMetricsServer } from './metrics/server.ts'
import { ensureFolder, nodeFiles } from './lib/files.ts'
import { createLocalProvider } from './provider/local/provider.ts'
import type { Provider } from './provider/provider.ts'
import { limitsOf, run } from './run.ts'
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
  return run(env, async (config, log, signal) => {
    const platform = await createPlatform(env, config, options.version, log, signal)
    return { parts: platform.parts, onReady: () => options.onReady?.(platform.running()) }
  })
}

type Platform = { readonly parts: ReturnType<typeof createParts>; readonly running: () => Running }

async function createPlatform(env: NodeJS.ProcessEnv, config: Config, version: Version, log: Log, signal: AbortSignal): Promise<Platform> {
  const dataDir = resolve(config.data_dir)
  const credentials = config.basic_auth
    ? await findCredentials({ secretMountPath: config.secret_mount_path, dataDir })
    : undefined
  const parts = createParts()
  const provider = await createProvider(env, config, version, credentials, () => gateway.url(), log.child({ part: 'provider' }))
  const wake = createWake({ provider, log: log.child({ part: 'wake' }) })
  const history = createHistory({
    files: nodeFiles, path: join(dataDir, 'cron.json'), clock: systemClock, log: log.child({ part: 'cron' }),
  })
  const cron = createCron({
    provider, history, clock: systemClock, log: log.child({ part: 'cron' }),
    call: createCall({ gatewayUrl: () => gateway.url() }),
  })
  const asynchronous = createAsynchronous({ dataDir, provider, config, gatewayUrl: () => gateway.url(), log: log.child({ part: 'queue' }) })
  const scaler = createScaler({
    provider,
    loads: () => gateway.loads(),
    backlog: asynchronous.backlog,
    dueInMs: cron.dueInMs,
    log: log.child({ part: 'scaler' }),
  })
  const { host, port } = config
  const gatewayLog = log.child({ part: 'gateway' })
  const limits = limitsOf(config)
  const snapshot = (): Snapshot => ({ ...gateway.snapshot(), queues: asynchronous.series() })
  const shared = {
    metrics: () => expose(snapshot()),
    provider, waker: wake, alert: createAlert({ provider }), credentials, host, port, version, log: gatewayLog,
    schedules: { list: cron.list, check: planJobs }, asyncCalls: asynchronous.calls, queue: asynchronous.admin,
  }
  const isApart = config.gateway_processes === 'apart'
  const processes = config.gateway_processes === 'auto' || isApart ? 0 : config.gateway_processes
  const folder = resolve(dataDir, config.control_dir)
  const control = processes === 0 && !isApart
    ? undefined
    : createControl({ ...shared, folder, readTimeoutMs: limits.readTimeoutMs, shutdownTimeoutMs: limits.shutdownTimeoutMs })
  const gateway: Gateway = control ?? createGateway({ ...shared, limits })
  const metrics = createMetricsServer({
    host: config.host, port: config.metrics_port, snapshot, isReady: gateway.isReady,
  })
  parts.add('metrics', metrics)
  if (control !== undefined) parts.add('lead', createLead({ path: join(folder, 'leader'), signal, log: gatewayLog }))
  parts.add('provider', provider)
  // Runs that end while the gateway drains are kept, too.
  parts.add('cron history', { start: () => ensureFolder(nodeFiles, dataDir, FOLDER_MODE), stop: history.stop })
  parts.add('queue', asynchronous.queue)
  parts.add('wake', wake)
  parts.add('scaler', scaler)
  parts.add('gateway', gateway)
  if (control !== undefined && !isApart) {
    const file = join(import.meta.dirname, `data-path${extname(import.meta.filename)}`)
    parts.add('data path', createChildren({ count: 1, file, env: () => ({ ...env, control_dir: folder }), log: gatewayLog }))
    parts.add('contact', { start: () => control.connected(), stop: async () => undefined })
  }
  parts.add('dispatch', asynchronous.dispatch)
  // First to stop: no run begins that could not end.
  parts.add('cron', cron)
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

const FOLDER_MODE = 0o700

async function createProvider(
  env: NodeJS.ProcessEnv, config: Config, version: Version, credentials: FoundCredentials | undefined, gatewayUrl: () => string, log: Log,
): Promise<Provider> {
  const { kubeconfig, gateway_address: gateway, update_timeout: updateTimeoutMs } = config
  if (config.provider === 'local') {
    return createLocalProvider({
      dataDir: resolve(config.data_dir), functionsDir: resolve(config.functions_dir), gatewayUrl, updateTimeoutMs, log,
    })
  }
  // Whoever has no cluster does not pay for what speaks to one.
  const { createKubernetesProvider } = await import('./provider/kubernetes/provider.ts')
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = env
  const { readImageDigest } = await import('./image/image-digest.ts')
  const registries = await createRegistriesOf(env, config, version)
  const provider = createKubernetesProvider({
    kubeconfig, gateway, pod: host ? { host, port } : undefined, updateTimeoutMs, credentials, log,
    digestOf: (image) => readImageDigest(image, registries.open, log),
  })
  return {
    ...provider,
    async stop() {
      await provider.stop()
      registries.close()
    },
  }
}

async function createRegistriesOf(env: NodeJS.ProcessEnv, config: Config, version: Version): Promise<Registries> {
  const [{ createCredentials }, { createRegistries }] = await Promise.all([import('./image/credentials.ts'), import('./image/registries.ts')])
  return createRegistries({
    credentials: createCredentials({
      file: config.registry_auth_file, dockerFolder: env['DOCKER_CONFIG'] || join(resolve(config.data_dir), '.docker'), env,
    }),
    caFile: config.registry_ca_file,
    insecure: config.insecure_registries,
    userAgent: `bramble/${version.release}`,
  })
}
