/** The three functions of this folder's stack file in a project of their own, where they may be changed. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLayout } from '../../platform/image/layout.ts'
import { parseIndex, parseManifest } from '../../platform/image/parse-oci.ts'
import type { RegistryServer } from './registry-server.ts'

export type ImageProject = AsyncDisposable & {
  /** Runs the command as `npm run build` made it. */
  bramble(...words: readonly string[]): Promise<void>
  /** The same for one function; answers how long it took, and how much of a processor it and what it started had. */
  timed(command: string, name: string): Promise<{ readonly ms: number; readonly cpuMs: number }>
  /** Gives a function another content. */
  change(name: string, round: number): Promise<void>
  bundleOf(name: string): string
  /** Of the function's own layer, compressed. */
  layerBytes(name: string): Promise<number>
}

const root = join(import.meta.dirname, '../..')
const sources: Readonly<Record<string, string>> = {
  hello: 'functions/hello', express: 'test/fixtures/functions/express', sqlite: 'test/fixtures/functions/sqlite',
}
export const fixtures = Object.keys(sources)

export async function createImageProject(server: RegistryServer): Promise<ImageProject> {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-image-project-'))
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
  const imageOf = (name: string): string => `${server.name}/images/${name}:1.0`
  for (const [name, source] of Object.entries(sources)) await cp(join(root, source), join(folder, name), { recursive: true })
  await writeFile(join(folder, 'stack.yml'), `version: 1.0\nprovider:\n  name: openfaas\nfunctions:\n` +
    fixtures.map((name) => `  ${name}: { lang: node-ts, handler: ./${name}, image: '${imageOf(name)}' }\n`).join(''))
  const { functions_dir: _, ...inherited } = process.env
  const env = { ...inherited, registry_auth_file: server.authFile, registry_ca_file: server.caFile }

  const bramble: ImageProject['bramble'] = async (...words) => {
    const child = spawn(process.execPath, [join(root, 'dist/bramble.mjs'), ...words], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => { output += chunk.toString() })
    const [code] = await once(child, 'close')
    if (code !== 0) throw new Error(`bramble ${words.join(' ')} ended with ${code}:\n${output}`)
  }
  return {
    bramble,
    async timed(command, name) {
      const [began, cpuBefore] = [performance.now(), await childrenCpuMs()]
      await bramble(command, name)
      return { ms: performance.now() - began, cpuMs: await childrenCpuMs() - cpuBefore }
    },
    async change(name, round) {
      const path = join(folder, name, 'handler.ts')
      const text = await readFile(path, 'utf8')
      await writeFile(path, `${text.replace(/\nObject\(\d+\)\n$/, '\n')}\nObject(${round})\n`)
    },
    bundleOf: (name) => join(folder, 'dist/functions', name),
    async layerBytes(name) {
      const layout = createLayout(join(folder, 'dist/images'))
      const index = await layout.find(imageOf(name))
      if (index === undefined) throw new Error(`${name} has no image`)
      const [manifest] = parseIndex(await layout.readJson(index), name, index.mediaType).manifests
      if (manifest === undefined) throw new Error(`the image of ${name} is empty`)
      return parseManifest(await layout.readJson(manifest), name, manifest.mediaType).layers.at(-1)?.size ?? 0
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}

/** Of all processes that this one started and that have ended. */
async function childrenCpuMs(): Promise<number> {
  const stat = await readFile('/proc/self/stat', 'utf8')
  // After the name in brackets, from the state on: utime is the 12th, cutime the 14th and cstime the 15th, in ticks.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[13]) + Number(fields[14])) * TICK_MS
}

/** USER_HZ, the same on every machine that runs Node. */
const TICK_MS = 10
