/**
 * Bundles the functions of a stack file into `dist/functions/NAME/index.mjs`, and the platform into `dist/bramble.mjs`.
 *
 *   node build.mjs [NAME…] [-f FILE] [--filter GLOB] [--regex PATTERN] [--out DIR] [--watch] [--json]
 *
 * With names, -f or a filter only functions are built. A file whose content would be the same is left untouched, and
 * every file appears whole or not at all. Folders of functions that left the stack file stay: other stack files may
 * share them. `--json` prints one JSON object per event, for the `bramble` command. How it is done: platform/build.
 */
import { rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'

const MIN_NODE = 24
if (Number(process.versions.node.split('.')[0]) < MIN_NODE) {
  console.error(`build.mjs needs Node ${MIN_NODE} or later, this is ${process.version}: use "npm run build", which finds the Node that npm ci installed`)
  process.exit(1)
}
/** `npx bramble` finds the right Node; whoever runs the file with an old one is told. */
const OLD_NODE_GUARD = `if(+process.versions.node.split('.')[0]<${MIN_NODE}){console.error('bramble needs Node ${MIN_NODE} or later, this is '+process.version+': use "npx bramble", which finds the Node that npm ci installed');process.exit(1)}`

const root = import.meta.dirname
const cwd = process.cwd()
const began = performance.now()
const builtAt = new Date()
const { values: options, positionals: names } = readArguments()
const outFolder = resolve(cwd, options.out ?? (process.env.functions_dir || 'dist/functions'))
const isNarrowed = names.length > 0 || Boolean(options.yaml ?? options.filter ?? options.regex)

await import('esbuild').catch(() => {
  console.error('esbuild is not installed: run npm ci first')
  process.exit(1)
})
const { readStack } = await import('./platform/stack/read-stack.ts')
const { selectFunctions } = await import('./platform/stack/filter.ts')
const { checkImageNames } = await import('./platform/stack/image-name.ts')
const { countBroken, createFunctionBuilder } = await import('./platform/build/functions.ts')
const { createOutput } = await import('./platform/build/output.ts')
const { buildPrograms } = await import('./platform/build/programs.ts')
const { createReport, elapsedMs } = await import('./platform/build/report.ts')
const { watchForChanges } = await import('./platform/build/watch.ts')

const report = createReport({ isJson: Boolean(options.json), isWatching: Boolean(options.watch) })
const output = createOutput([outFolder, join(root, 'dist')])
const builder = createFunctionBuilder({ root, outFolder, output, report })

try {
  const failedPrograms = isNarrowed ? 0 : await buildPrograms({ root, cwd, guard: OLD_NODE_GUARD, output, report })
  const stack = await loadStack()
  const builds = await builder.build(stack, stack.selected)
  const failed = failedPrograms + countBroken(builds)
  if (failed > 0) process.exitCode = 1
  report({ event: 'done', failed, ms: elapsedMs(began) })
  if (options.watch) {
    await watchForChanges({ stack, builds, builtAt, loadStack, builder, output, report })
    // The command that started this build is gone when its end of the pipe is.
    if (options.json) process.stdin.on('end', () => output.cleanUp().then(() => process.exit(0))).resume()
  }
} catch (error) {
  fail(error)
} finally {
  await output.cleanUp()
}

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        yaml: { type: 'string', short: 'f' }, filter: { type: 'string' }, regex: { type: 'string' },
        out: { type: 'string' }, watch: { type: 'boolean' }, json: { type: 'boolean' },
        'no-envsubst': { type: 'boolean' },
      },
    })
  } catch (error) {
    console.error(error.message)
    return process.exit(1)
  }
}

async function loadStack() {
  const stack = await readStack({
    cwd, file: options.yaml, variables: options['no-envsubst'] ? undefined : process.env,
  })
  for (const message of stack.warnings) report({ event: 'warning', messages: [message] })
  const selected = selectFunctions(stack.functions, { filter: options.filter, regex: options.regex, names })
  checkImageNames(selected)
  return { ...stack, selected }
}

/** What its author can correct is one line; anything else is a fault of ours and keeps its stack. */
function fail(error) {
  if (!(error instanceof Error && error.name.endsWith('Error') && 'code' in error)) throw error
  for (const scratch of output.scratches) rmSync(scratch, { recursive: true, force: true })
  if (options.json) report({ event: 'failed', messages: [error.message] })
  else console.error(error.message)
  process.exit(1)
}
