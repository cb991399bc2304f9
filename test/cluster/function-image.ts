/** Puts a function that `build.mjs` has built into the cluster's registry, on the cluster's own Node image. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Cluster } from './cluster.ts'
import { pushProgram } from './probe-image.ts'

/** Template functions are started by this; the provider times their end by it. */
export const ENV_PROCESS = 'node index.mjs'

/** `folder` holds the bundle NAME. Answers the reference. */
export async function pushFunction(cluster: Cluster, folder: string, name: string): Promise<string> {
  const files = new Map<string, Uint8Array>()
  for (const file of await readdir(join(folder, name))) {
    if (!file.endsWith('.map')) files.set(`home/function/${file}`, await readFile(join(folder, name, file)))
  }
  return pushProgram(cluster, `functions/${name}:1`, {
    files, command: ['/usr/bin/node', '--max-semi-space-size=1', '--no-concurrent-recompilation', '/home/function/index.mjs'], env: ['NODE_ENV=production'],
  })
}
