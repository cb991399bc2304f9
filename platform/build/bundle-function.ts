/** A TypeScript function, its packages and the runtime as one file, with what they read beside it. */
import { build, transform } from 'esbuild'
import { readdir, readFile, realpath, rm, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { BrambleError } from '../lib/errors.ts'
import { handlerFile, passedOnHandler } from '../stack/handler-file.ts'
import { imageName } from '../stack/image-name.ts'
import type { StackFunction } from '../stack/parse-stack.ts'
import { showPath, type StackFile } from '../stack/read-stack.ts'
import { bundleSettings, writeBundle } from './bundle.ts'
import { buildError, buildMessages, type BuildPlace } from './messages.ts'
import type { Output } from './output.ts'

export type BundleDeps = {
  /** Of this repository, absolute. */
  readonly root: string
  /** Where the folder of the bundle goes. */
  readonly outFolder: string
  readonly output: Output
  readonly warn: (message: string) => void
}

export type Bundled = {
  /** Of the bundle and the files beside it, without the map. */
  readonly bytes: number
  readonly isChanged: boolean
  /** The files it is made of, absolute. */
  readonly inputs: readonly string[]
}

/** Imports the handler and serves it; a file of this name is never written. */
const ENTRY = 'entry.mjs'

/** `INVALID` with a line for each thing that is wrong. */
export async function bundleFunction(
  stack: StackFile, one: StackFunction, folder: string, { root, outFolder, output, warn }: BundleDeps,
): Promise<Bundled> {
  const handler = await realpath(handlerFile(folder, one))
  const outfile = join(outFolder, imageName(one), 'index.mjs')
  const source = await readFile(handler, 'utf8')
  const entry = join(folder, ENTRY)
  const place: BuildPlace = { function: one.name, folder: showPath(folder, stack.cwd), entry: ENTRY }
  const runtime = join(root, 'template', 'node-ts', 'runtime')
  const passedOn = passedOnHandler(source)
  // It may stand in a comment, of which this leaves nothing.
  const isPassedOn = passedOn && (await transform(source, { loader: 'ts' })).code.includes(JSON.stringify(passedOn.from))
  const { outputFiles, metafile, warnings } = await build({
    ...bundleSettings,
    stdin: {
      contents: `import handler from ${JSON.stringify(handler)}\nimport { serve } from '@bramble/runtime'\nserve(handler)\n` +
        // esbuild drops a passed on name that is not there without a word, taking it for a type; imported, it must be.
        (isPassedOn ? `import { ${passedOn.name} as passedOn } from ${JSON.stringify(passedOn.from)}\nvoid passedOn\n` : ''),
      resolveDir: folder,
      sourcefile: entry,
    },
    outfile,
    absWorkingDir: stack.cwd,
    alias: { '@bramble/runtime': join(runtime, 'runtime.ts'), '@bramble/runtime/service': join(runtime, 'service') },
  }).catch((error: unknown) => {
    throw buildError(error, isPassedOn ? { ...place, passedOn: `${showPath(handler, stack.cwd)}:${passedOn.line}:1` } : place)
  })
  const inputs = Object.entries(metafile.inputs)
    .map(([path, { format }]) => ({ path: resolve(stack.cwd, path), format }))
    .filter(({ path }) => path !== entry)
  // A file without any import or export is taken for CommonJS, whose default export is there but empty.
  if (inputs.some(({ path, format }) => path === handler && format === undefined)) {
    throw new BrambleError('INVALID', `${showPath(handler, stack.cwd)}:1:1: the handler of function ${one.name} is not exported: write "export default" before it`)
  }
  for (const message of buildMessages(warnings, place)) warn(message)
  const isChanged = await writeBundle(output, outputFiles, stack.folder)
  const made = outputFiles.map(({ path }) => path)
  // Of an earlier build: an image holds the folder as it is.
  for (const name of await readdir(dirname(outfile))) {
    const path = join(dirname(outfile), name)
    if (!made.includes(path)) await rm(path, { recursive: true })
  }
  return { bytes: await sizeOf(made.filter((path) => !path.endsWith('.mjs.map'))), isChanged, inputs: inputs.map(({ path }) => path) }
}

async function sizeOf(paths: readonly string[]): Promise<number> {
  const files = await Promise.all(paths.map((path) => stat(path)))
  return files.reduce((sum, { size }) => sum + size, 0)
}
