/**
 * A process of the data path: `node dist/data-path.mjs`. The first one starts the others, as many as
 * `gateway_processes` says; the kernel spreads connections over all of them.
 */
import { availableParallelism } from 'node:os'
import { basename, resolve } from 'node:path'
import { createChildren } from './children.ts'
import { createRemoteDataPath } from './gateway/control/remote-data-path.ts'
import { createParts } from './lib/parts.ts'
import { limitsOf, run } from './run.ts'

/** The board's other half is the control plane's and the functions'. */
const SHARE_OF_CORES = 0.5

export async function dataPath(env: NodeJS.ProcessEnv): Promise<number> {
  return run(env, (config, log, signal) => {
    const count = typeof config.gateway_processes === 'number' ? config.gateway_processes : Math.ceil(availableParallelism() * SHARE_OF_CORES)
    const parts = createParts()
    const own = createRemoteDataPath({
      host: config.host, port: config.port,
      isShared: count > 1 || env['gateway_is_shared'] === 'true',
      limits: limitsOf(config),
      folder: resolve(config.data_dir, config.control_dir),
      signal, log: log.child({ part: 'gateway' }),
    })
    parts.add('gateway', own)
    parts.add('other processes', createChildren({
      count: count - 1,
      file: import.meta.filename,
      env: () => ({ ...env, gateway_processes: '1', gateway_is_shared: 'true', port: String(own.port()) }),
      log: log.child({ part: 'gateway' }),
    }))
    return { parts }
  })
}

// Started by itself, not imported.
if (process.argv[1] !== undefined && basename(process.argv[1]) === basename(import.meta.filename)) {
  process.exit(await dataPath(process.env))
}
