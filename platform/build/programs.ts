/** Bundles the platform and its command. */
import { build, type Plugin } from 'esbuild'
import { chmod, readdir, rm, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { showPath } from '../stack/read-stack.ts'
import { bundleSettings, writeBundle } from './bundle.ts'
import { buildError, messagesOf } from './messages.ts'
import type { Output } from './output.ts'
import { elapsedMs, type Report } from './report.ts'

const COMMAND = { bramble: 'platform/cli/main.ts' }
/**
 * Apart, so that `bramble list` does not load them. With its packages inside the platform starts 20 ms sooner and
 * with 3 MB less than without them; not minified it is 10 ms and 2 MB better still, and its stack traces can be read.
 * What one of them imports only sometimes, the client of a cluster for example, is a chunk of its own: 9 MB less without.
 */
const PLATFORM = {
  platform: 'platform/main.ts', 'data-path': 'platform/data-path.ts', supervise: 'platform/supervise.ts',
  // The queue's thread: a worker is a file of its own, beside the one that starts it.
  'store-thread': 'platform/queue/embedded/store-thread.ts',
}

export type ProgramsDeps = {
  /** Of this repository, absolute. */
  readonly root: string
  readonly cwd: string
  /** Code that runs first in the command, and tells an old Node what it is. */
  readonly guard: string
  readonly output: Output
  readonly report: Report
}

/** Never rejects: what is wrong is reported. Answers how many could not be built. */
export async function buildPrograms({ root, cwd, guard, output, report }: ProgramsDeps): Promise<number> {
  const began = performance.now()
  const platformApart: Plugin = {
    name: 'platform-apart',
    setup(builder) {
      builder.onResolve({ filter: /^\.\.\/main\.ts$/ }, ({ importer, path }) =>
        resolve(dirname(importer), path) === join(root, PLATFORM.platform) ? { path: './platform.mjs', external: true } : undefined)
    },
  }
  // An import of it, bundled or not, evaluates all it exports, the parts of fetch and WebSocket too: 10 MB more.
  const leanHttp: Plugin = {
    name: 'lean-http',
    setup(builder) {
      builder.onResolve({ filter: /^(?:node:)?https?$/ }, ({ path }) => ({ path: path.replace('node:', ''), namespace: 'lean-http' }))
      builder.onLoad({ filter: /./, namespace: 'lean-http' }, ({ path }) => ({ contents: `module.exports = process.getBuiltinModule('node:${path}')` }))
    },
  }
  // Express brings them for bodies that nobody sends here: JSON is UTF-8 (RFC 8259). One such character doubles a source's memory.
  const noTables: Plugin = {
    name: 'no-tables',
    setup(builder) {
      builder.onLoad({ filter: /[\\/]iconv-lite[\\/]encodings[\\/]dbcs-data\.js$/ }, () => ({ contents: 'module.exports = {}' }))
    },
  }
  const dist = join(root, 'dist')
  const results = await Promise.all([COMMAND, PLATFORM].map(async (programs) => {
    const isCommand = programs === COMMAND
    try {
      const entryPoints = Object.fromEntries(Object.entries(programs).map(([name, entry]) => [name, join(root, entry)]))
      const { outputFiles } = await build({
        ...bundleSettings, minify: false, charset: 'ascii', entryPoints, outdir: dist, outExtension: { '.js': '.mjs' }, chunkNames: `${CHUNK}[hash]`,
        splitting: !isCommand, plugins: [platformApart, leanHttp, noTables],
      }).catch((error: unknown) => { throw buildError(error) })
      const files = outputFiles.filter(({ path }) => path.endsWith('.mjs'))
      // Programs after the chunks they import.
      for (const { path } of files.toSorted((a, b) => Number(isChunk(b.path)) - Number(isChunk(a.path)))) {
        await writeBundle(output, outputFiles.filter((one) => one.path === path || one.path === `${path}.map`), root, isCommand ? guard : '')
      }
      if (isCommand) await chmod(join(dist, 'bramble.mjs'), EXECUTABLE)
      else await removeChunks(dist, new Set(files.map(({ path }) => basename(path))))
      for (const name of Object.keys(programs)) {
        const file = join(dist, `${name}.mjs`)
        report({ event: 'program', file: showPath(file, cwd), bytes: (await stat(file)).size, ms: elapsedMs(began) })
      }
      return true
    } catch (error) {
      report({ event: 'failed', messages: messagesOf(error) })
      return false
    }
  }))
  return results.filter((isBuilt) => !isBuilt).length
}

const CHUNK = 'chunk-'

function isChunk(path: string): boolean {
  return basename(path).startsWith(CHUNK)
}

/** Those of earlier builds. */
async function removeChunks(folder: string, kept: ReadonlySet<string>): Promise<void> {
  for (const name of await readdir(folder)) {
    if (isChunk(name) && !kept.has(name.replace(/\.map$/, ''))) await rm(join(folder, name), { force: true })
  }
}

const EXECUTABLE = 0o755
