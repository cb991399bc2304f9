/** Builds functions of a test's stack file into a temporary folder, as `build.mjs` builds any stack file's. */
import { execFile } from 'node:child_process'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ROOT } from './platform.ts'

export type BuiltFunctions = AsyncDisposable & { readonly folder: string }

/** Without names all of them. */
export async function buildFunctions(stackFile = join(import.meta.dirname, 'stack.yml'), names: readonly string[] = []): Promise<BuiltFunctions> {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-functions-'))
  // Functions may run under users of their own, who must be able to read their bundle.
  await chmod(folder, 0o755)
  await promisify(execFile)(process.execPath, [join(ROOT, 'build.mjs'), '-f', stackFile, '--out', folder, ...names])
  return { folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) }
}
