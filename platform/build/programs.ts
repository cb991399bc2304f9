/** Bundles the platform and its command. */
import { build, type Plugin } from 'esbuild'
import { chmod, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { showPath } from '../stack/read-stack.ts'
import { bundleSettings, writeBundle } from './bundle.ts'
import { buildError, messagesOf } from './messages.ts'
import type { Output } from './output.ts'
import { elapsedMs, type Report } from './report.ts'

/**
 * `platform.mjs` is apart, so that `bramble list` does not load it. With its packages inside it starts 20 ms sooner and
 * with 3 MB less than without them; not minified it is 10 ms and 2 MB better still, and its stack traces can be read.
 */
const programs = {
  bramble: 'platform/cli/main.ts', platform: 'platform/main.ts', 'data-path': 'platform/data-path.ts',
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
        resolve(dirname(importer), path) === join(root, programs.platform) ? { path: './platform.mjs', external: true } : undefined)
    },
  }
  const results = await Promise.all(Object.entries(programs).map(async ([name, entry]) => {
    const outfile = join(root, 'dist', `${name}.mjs`)
    try {
      const { outputFiles } = await build({
        ...bundleSettings, minify: false, entryPoints: [join(root, entry)], outfile, plugins: [platformApart],
      }).catch((error: unknown) => { throw buildError(error) })
      await writeBundle(output, outputFiles, root, name === 'bramble' ? guard : '')
      if (name === 'bramble') await chmod(outfile, EXECUTABLE)
      report({ event: 'program', file: showPath(outfile, cwd), bytes: (await stat(outfile)).size, ms: elapsedMs(began) })
      return true
    } catch (error) {
      report({ event: 'failed', messages: messagesOf(error) })
      return false
    }
  }))
  return results.filter((isBuilt) => !isBuilt).length
}

const EXECUTABLE = 0o755
