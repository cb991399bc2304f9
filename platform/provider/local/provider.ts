/** The provider for one machine: replicas are child processes, state is files under `data_dir`. */
import { chmod } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { createGate } from '../../lib/gate.ts'
import type { Log } from '../../lib/log.ts'
import type { Provider } from '../provider.ts'
import { createBundles } from './bundles.ts'
import { createDesk } from './desk.ts'
import { ensureFolder, nodeFiles, type Files } from '../../lib/files.ts'
import { createFunctions } from './functions.ts'
import { createInstance } from './instance.ts'
import { createLogs } from './logs.ts'
import { createMeter } from './meter.ts'
import { createNamespaces } from './namespaces.ts'
import { createPorts } from './ports.ts'
import { createProcesses } from './processes.ts'
import type { Workshop } from './replica.ts'
import { createRooms } from './rooms.ts'
import { createSecrets } from './secrets.ts'
import { defaultSettings, type Settings } from './settings.ts'
import { createStore } from './store.ts'
import { createUsers } from './users.ts'
import { createVolumes } from './volumes.ts'

export type LocalProviderDeps = {
  readonly dataDir: string
  /** Where the build puts bundles: one folder per image name. */
  readonly functionsDir: string
  /** What functions call others through. */
  readonly gatewayUrl: () => string
  /** How long a new version may take to become ready. */
  readonly updateTimeoutMs?: number
  readonly log: Log
  readonly now?: () => Date
  readonly files?: Files
  readonly settings?: Partial<Settings>
  /** What runs the template's functions; this program's own Node by default. */
  readonly nodePath?: string
  /** Root gives each function a user id of its own. */
  readonly isRoot?: boolean
  readonly platform?: NodeJS.Platform
}

export function createLocalProvider(deps: LocalProviderDeps): Provider {
  const { log, gatewayUrl, files = nodeFiles, now = () => new Date() } = deps
  const dataDir = resolve(deps.dataDir)
  const settings: Settings = {
    ...defaultSettings,
    ...(deps.updateTimeoutMs === undefined ? {} : { readyDeadlineMs: deps.updateTimeoutMs }),
    ...deps.settings,
  }
  const isRoot = deps.isRoot ?? process.getuid?.() === 0
  /** For durations: a clock that is set must not fail an update. */
  const nowMs = (): number => performance.now()
  const processes = createProcesses(deps.platform ?? process.platform)
  const instance = createInstance({ dataDir, processes, log })
  const desk = createDesk()
  const store = createStore({ files, dataDir, log })
  const bundles = createBundles({
    files, folder: join(dataDir, 'bundles'), functionsDir: resolve(deps.functionsDir), maxBytes: settings.maxBundleBytes,
  })
  const rooms = createRooms({
    dataDir, isRoot, nodePath: deps.nodePath ?? process.execPath, snapshotFolderOf: bundles.folderOf, log,
  })
  const volumes = createVolumes({ dataDir })
  const meter = createMeter({ processes, everyMs: settings.meterEveryMs, nowMs, log })
  const secrets = createSecrets({ desk, records: store.secrets, maxBytes: settings.maxSecretBytes })
  let owner = ''
  const workshop: Workshop = {
    settings, rooms, volumes, meter, gatewayUrl, nowMs,
    ports: createPorts({ first: settings.firstPort, last: settings.lastPort }),
    owner: () => owner,
    starts: createGate(settings.maxStarting),
  }
  const functions = createFunctions({
    workshop, desk, secrets, bundles, log, now,
    records: store.functions,
    users: isRoot ? createUsers({ first: settings.firstUser, last: settings.lastUser }) : undefined,
    logs: createLogs({ settings, now: () => now().getTime() }),
  })
  const namespaces = createNamespaces({
    desk, log,
    records: store.namespaces,
    async empty(name) {
      await functions.removeAll(name)
      await secrets.removeAll(name)
    },
  })

  const load = async (): Promise<void> => {
    const removed = await namespaces.load()
    const knownSecrets = await secrets.load()
    desk.open()
    await functions.load(await bundles.load(), removed)
    for (const name of removed) {
      await secrets.removeAll(name)
      await namespaces.finishRemoval(name)
    }
    for (const name of new Set([...functions.namespaces(), ...knownSecrets.map((secret) => secret.namespace)])) {
      if (!removed.includes(name) && !desk.hasNamespace(name)) namespaces.restore(name)
    }
  }

  let isStarted = false
  const stop = async (): Promise<void> => {
    if (!isStarted) return
    isStarted = false
    desk.close()
    await functions.stop()
    meter.stop()
    await rooms.stop()
    secrets.clear()
    namespaces.clear()
    try {
      // Whatever left its replica's process group.
      await instance.endOrphans()
    } finally {
      await instance.leave()
    }
  }

  return {
    info: { name: 'bramble-local', orchestration: 'local' },
    async start() {
      if (isStarted) return
      await ensureFolder(files, dataDir, 0o700)
      // It may have been there before, made by somebody with other ideas of who may read it.
      await chmod(dataDir, 0o700)
      owner = await instance.enter()
      isStarted = true
      try {
        await rooms.start()
        meter.start()
        await load()
      } catch (error) {
        await stop()
        throw error
      }
    },
    stop,
    watch: functions.watch,
    drained: functions.drained,
    apply: functions.apply,
    list: functions.list,
    get: functions.get,
    scale: functions.scale,
    remove: functions.remove,
    logs: functions.logs,
    metricsOf: functions.metricsOf,
    secrets: { list: secrets.list, create: secrets.create, update: secrets.update, remove: secrets.remove },
    namespaces: {
      list: namespaces.list, get: namespaces.get, create: namespaces.create, update: namespaces.update, remove: namespaces.remove,
    },
  }
}
