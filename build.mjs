/**
 * Bundles the functions of a stack file into `dist/functions/NAME/index.mjs`, and the platform into `dist/bramble.mjs`.
 *
 *   node build.mjs [NAME…] [-f FILE] [--filter GLOB] [--regex PATTERN] [--out DIR] [--watch] [--json]
 *
 * With names, -f or a filter only functions are built. A file whose content would be the same is left untouched, and
 * every file appears whole or not at all. Folders of functions that left the stack file stay: other stack files may
 * share them. `--json` prints one JSON object per event, for the `bramble` command.
 */
import { chmod, copyFile, lstat, mkdir, readdir, readFile, readlink, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { watch } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { parseArgs } from 'node:util'

const MIN_NODE = 24
if (Number(process.versions.node.split('.')[0]) < MIN_NODE) {
  console.error(`build.mjs needs Node ${MIN_NODE} or later, this is ${process.version}: use "npm run build", which finds the Node that npm ci installed`)
  process.exit(1)
}
/** Editors write in several steps: so long after the last one a change is taken as done. */
const SETTLE_MS = 25
/** Errors of one function that are shown; the first ones cause the others. */
const MAX_ERRORS = 5
/** CommonJS packages in an ESM bundle (Express) need these; nothing else does. */
const commonJsNames = [
  [/Dynamic require of/, `import{createRequire as __bramble_require}from'node:module';const require=__bramble_require(import.meta.url);`],
  [/\b__dirname\b/, 'const __dirname=import.meta.dirname;'],
  [/\b__filename\b/, 'const __filename=import.meta.filename;'],
]

/** Imports the handler and serves it; a file of this name is never written. */
const ENTRY = 'entry.mjs'
const bundleSettings = {
  bundle: true, minify: true, platform: 'node', format: 'esm', target: 'node24', charset: 'utf8',
  sourcemap: 'external', sourcesContent: false, write: false, metafile: true, logLevel: 'silent',
}
/** `platform.mjs` is apart, so that `bramble list` does not load it. */
const programs = { bramble: 'platform/cli/main.ts', platform: 'platform/main.ts' }

const root = import.meta.dirname
const cwd = process.cwd()
const startedAt = performance.now()
const { values: options, positionals: names } = readArguments()
const outFolder = resolve(cwd, options.out ?? (process.env.functions_dir || 'dist/functions'))
const scratch = join(outFolder, `.tmp-${process.pid}`)
const isNarrowed = names.length > 0 || Boolean(options.yaml ?? options.filter ?? options.regex)

const esbuild = await import('esbuild').catch(() => fail('esbuild is not installed: run npm ci first'))
const { readStack, showPath, resolveInStack } = await import('./platform/stack/read-stack.ts')
const { selectFunctions } = await import('./platform/stack/filter.ts')
const { buildContext, handlerFolder } = await import('./platform/stack/build-context.ts')
const { handlerFile, BUNDLED_LANG } = await import('./platform/stack/handler-file.ts')
const { readTemplate } = await import('./platform/stack/template.ts')

let failures = 0
let drafts = 0
try {
  if (!isNarrowed) await buildPlatform()
  const stack = await loadStack()
  const builds = await Promise.all(stack.selected.map((one) => buildFunction(stack, one)))
  report({ event: 'done', failed: failures, ms: elapsed(startedAt) })
  if (options.watch) watchForChanges(stack, builds)
} catch (error) {
  fail(error instanceof Error && error.name.endsWith('Error') && 'code' in error ? error.message : error)
} finally {
  await rm(scratch, { recursive: true, force: true })
}
if (failures > 0) process.exitCode = 1

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
  for (const message of stack.warnings) report({ event: 'warning', message })
  return { ...stack, selected: selectFunctions(stack.functions, { filter: options.filter, regex: options.regex, names }) }
}

/** Never throws: what is wrong with one function is reported, and the others are built. */
async function buildFunction(stack, one) {
  const began = performance.now()
  const build = { one, inputs: new Set(), folder: undefined, isBroken: false, isCopied: false }
  try {
    if (one.isBuildSkipped || (one.handler === undefined && one.lang === undefined)) {
      report({ event: 'skipped', function: one.name })
      return build
    }
    build.folder = handlerFolder(stack, one)
    build.isCopied = one.lang !== BUNDLED_LANG
    const result = build.isCopied ? await copyFunction(stack, one) : await bundleFunction(stack, one, build)
    report({ event: 'function', function: one.name, ...result, ms: elapsed(began) })
  } catch (error) {
    build.isBroken = true
    failures++
    report({ event: 'failed', function: one.name, messages: messagesOf(error, one, build.folder) })
  }
  return build
}

async function bundleFunction(stack, one, build) {
  const handler = handlerFile(build.folder, one)
  build.inputs.add(handler)
  const target = join(outFolder, one.name)
  const { outputFiles, metafile, warnings } = await esbuild.build({
    ...bundleSettings,
    stdin: {
      contents: `import handler from ${JSON.stringify(`./${relative(build.folder, handler)}`)}\n` +
        `import { serve } from '@bramble/runtime'\nserve(handler)\n`,
      resolveDir: build.folder,
      sourcefile: join(build.folder, ENTRY),
    },
    outfile: join(target, 'index.mjs'),
    alias: { '@bramble/runtime': join(root, 'template', 'node-ts', 'runtime', 'runtime.ts') },
  })
  for (const path of Object.keys(metafile.inputs)) build.inputs.add(resolve(cwd, path))
  for (const warning of warnings) report({ event: 'warning', message: describe(warning, one, build.folder) })
  const isChanged = await writeBundle(outputFiles, stack.folder)
  return { bytes: (await stat(join(target, 'index.mjs'))).size, isChanged }
}

/** Another language: the build context as it is, for a program that `fprocess` names. */
async function copyFunction(stack, one) {
  if (one.lang === undefined) throw new Error(`${one.place}: function ${one.name} has a handler but no language: add "lang: ${BUNDLED_LANG}"`)
  const isOptional = one.fprocess !== undefined
  const template = await readTemplate(stack, one, [root]).catch((error) => {
    if (isOptional) return undefined
    throw error
  })
  const target = join(outFolder, one.name)
  const wanted = new Set()
  let isChanged = false
  for (const { from, to, except } of buildContext(stack, one, template)) {
    for await (const file of filesBelow(from, except)) {
      const path = file === from ? join(target, to) : join(target, to, relative(from, file))
      if (!wanted.has(path) && await copyIfChanged(file, path)) isChanged = true
      wanted.add(path)
    }
  }
  for await (const path of filesBelow(target, [])) {
    if (wanted.has(path)) continue
    await rm(path)
    isChanged = true
  }
  return { files: wanted.size, isChanged }
}

async function buildPlatform() {
  const began = performance.now()
  await Promise.all(Object.entries(programs).map(async ([name, entry]) => {
    const outfile = join(root, 'dist', `${name}.mjs`)
    const { outputFiles } = await esbuild.build({
      ...bundleSettings, entryPoints: [join(root, entry)], outfile, plugins: [platformApart],
    }).catch((error) => fail(messagesOf(error).join('\n')))
    await writeBundle(outputFiles, root)
    if (name === 'bramble') await chmod(outfile, 0o755)
    report({ event: 'program', file: showPath(outfile, cwd), bytes: (await stat(outfile)).size, ms: elapsed(began) })
  }))
}

const platformApart = {
  name: 'platform-apart',
  setup(build) {
    build.onResolve({ filter: /^\.\.\/main\.ts$/ }, ({ importer, path }) =>
      resolve(dirname(importer), path) === join(root, programs.platform) ? { path: './platform.mjs', external: true } : undefined)
  },
}

/** The map first: whoever sees the new bundle finds its map. Answers whether the bundle is another one than before. */
async function writeBundle(outputFiles, folder) {
  const code = outputFiles.find(({ path }) => path.endsWith('.mjs'))
  const map = JSON.parse(outputFiles.find(({ path }) => path.endsWith('.map')).text)
  map.sources = map.sources.map((source) => relative(folder, resolve(dirname(code.path), source)).split(sep).join('/'))
  const banner = commonJsNames.filter(([pattern]) => pattern.test(code.text)).map(([, line]) => line).join('')
  const hashbang = /^#!.*\n/.exec(code.text)?.[0] ?? ''
  if (banner) map.mappings = map.mappings.replace(/^/, hashbang ? '' : ';')
  const text = banner ? `${hashbang}${banner}\n${code.text.slice(hashbang.length)}` : code.text
  await writeIfChanged(`${code.path}.map`, JSON.stringify(map))
  return writeIfChanged(code.path, text)
}

async function writeIfChanged(path, text) {
  if (await readFile(path, 'utf8').catch(() => undefined) === text) return false
  await appear(path, (draft) => writeFile(draft, text))
  return true
}

async function copyIfChanged(from, to) {
  const [source, target] = await Promise.all([lstat(from), lstat(to).catch(() => undefined)])
  if (source.isSymbolicLink()) {
    const link = await readlink(from)
    if (target?.isSymbolicLink() && await readlink(to) === link) return false
    await appear(to, (draft) => symlink(link, draft))
    return true
  }
  const isSame = target?.isFile() && target.size === source.size && target.mode === source.mode
    && Math.abs(target.mtimeMs - source.mtimeMs) < 1
  if (isSame) return false
  await appear(to, async (draft) => {
    await copyFile(from, draft)
    await utimes(draft, source.atime, source.mtime)
  })
  return true
}

/** A reader sees the old file or the new one, never a part; drafts are kept out of the function's folder. */
async function appear(path, write) {
  const draft = join(scratch, String(drafts++))
  await mkdir(scratch, { recursive: true })
  await mkdir(dirname(path), { recursive: true })
  await write(draft)
  await rename(draft, path)
}

async function* filesBelow(path, except) {
  const info = await lstat(path).catch(() => undefined)
  if (!info) return
  if (!info.isDirectory()) yield path
  else for (const name of await readdir(path)) if (!except.includes(name)) yield* filesBelow(join(path, name), [])
}

/** Lines of the form `FILE:LINE:COLUMN: what is wrong: what to do`. */
function messagesOf(error, one, folder) {
  if (!Array.isArray(error?.errors)) return [error instanceof Error ? error.message : String(error)]
  const lines = error.errors.map((problem) => describe(problem, one, folder))
  const more = lines.length - MAX_ERRORS
  return more > 0 ? [...lines.slice(0, MAX_ERRORS), `and ${more} more`] : lines
}

function describe({ text, location }, one, folder) {
  const place = location ? `${location.file}:${location.line}:${location.column + 1}: ` : ''
  const [, missing] = /^Could not resolve "([^"]+)"/.exec(text) ?? []
  if (missing?.startsWith('.') || missing?.startsWith('/')) {
    return `${place}there is no file ${missing}: correct the path (with its ending, as in "./name.ts")`
  }
  if (missing && folder) {
    const name = missing.split('/').slice(0, missing.startsWith('@') ? 2 : 1).join('/')
    return `${place}package ${name} is not installed: run "npm install ${name}" in ${showPath(folder, cwd)}`
  }
  const [, file, wanted] = /^No matching export in "([^"]+)" for import "([^"]+)"/.exec(text) ?? []
  if (file && wanted === 'default' && location?.file.endsWith(ENTRY)) {
    return `${file}:1:1: the handler of function ${one.name} is not exported: write "export default" before it`
  }
  if (file) return `${place}${file} exports no "${wanted}": if it is a type, write "import type { ${wanted} }"`
  return place + text.charAt(0).toLowerCase() + text.slice(1)
}

/** Rebuilds what a change touches: its own sources, wherever they lie, and everything when the stack file changes. */
function watchForChanges(stack, builds) {
  const watchers = new Map()
  let changed = new Set()
  let timer
  let running = Promise.resolve()

  const update = async (paths) => {
    failures = 0
    const began = performance.now()
    const settings = [stack.path, ...stack.selected.flatMap((one) => one.environmentFiles.map((file) => resolveInStack(stack, file)))]
    const isNewStack = settings.some((path) => paths.has(path))
    if (isNewStack) {
      stack = await loadStack()
      report({ event: 'stack' })
    }
    builds = await Promise.all(stack.selected.map((one) => {
      const last = builds.find((build) => build.one.name === one.name)
      return last && !isNewStack && !isTouched(last, paths) ? last : buildFunction(stack, one)
    }))
    report({ event: 'done', failed: failures, ms: elapsed(began) })
  }
  const settle = () => {
    const paths = changed
    changed = new Set()
    running = running
      .then(() => update(paths))
      .catch((error) => report({ event: 'failed', messages: messagesOf(error) }))
      .then(refresh)
  }
  const refresh = async () => {
    await rm(scratch, { recursive: true, force: true })
    const folders = new Set([dirname(stack.path)])
    for (const one of stack.selected) for (const file of one.environmentFiles) folders.add(dirname(resolveInStack(stack, file)))
    for (const build of builds) {
      for (const path of build.inputs) if (!path.includes(`${sep}node_modules${sep}`)) folders.add(dirname(path))
      for await (const folder of foldersBelow(build.folder ?? resolve(stack.folder, build.one.handler ?? '.', '..'))) folders.add(folder)
    }
    for (const [folder, watcher] of watchers) if (!folders.has(folder)) { watcher.close(); watchers.delete(folder) }
    for (const folder of folders) if (!watchers.has(folder)) watchFolder(folder)
  }
  const watchFolder = (folder) => {
    try {
      const watcher = watch(folder, (_, name) => {
        changed.add(join(folder, name ?? ''))
        clearTimeout(timer)
        timer = setTimeout(settle, SETTLE_MS)
      })
      watcher.on('error', () => { watcher.close(); watchers.delete(folder) })
      watchers.set(folder, watcher)
    } catch {
      // The folder went away between being listed and being watched; its parent reports when it is back.
    }
  }

  void refresh().then(() => report({ event: 'watching' }))
  // The command that started this build is gone when its end of the pipe is.
  if (options.json) process.stdin.on('end', () => process.exit(0)).resume()
}

function isTouched(build, paths) {
  if (build.folder === undefined || build.isBroken) return true
  return [...paths].some((path) => build.inputs.has(path) || (build.isCopied && path.startsWith(build.folder + sep)))
}

async function* foldersBelow(folder) {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => undefined)
  if (!entries) return
  yield folder
  for (const entry of entries) {
    if (entry.isDirectory() && entry.name !== 'node_modules' && !entry.name.startsWith('.')) yield* foldersBelow(join(folder, entry.name))
  }
}

function report(event) {
  if (options.json) return void process.stdout.write(`${JSON.stringify(event)}\n`)
  switch (event.event) {
    case 'function':
      return console.log(`${event.function.padEnd(20)} ${sizeOf(event).padStart(9)} ${String(event.ms).padStart(5)} ms${event.isChanged ? '' : '  unchanged'}`)
    case 'program': return console.log(`${event.file.padEnd(20)} ${sizeOf(event).padStart(9)} ${String(event.ms).padStart(5)} ms`)
    case 'skipped': return console.log(`${event.function.padEnd(20)}   nothing to build`)
    case 'warning': return console.error(`warning: ${event.message}`)
    case 'failed': return console.error(event.messages.join('\n'))
    case 'watching': return console.log('watching for changes, Ctrl-C ends')
    case 'done': return options.watch ? undefined : console.log(`done in ${event.ms} ms${event.failed ? `, ${event.failed} failed` : ''}`)
  }
}

function sizeOf({ bytes, files }) {
  return bytes === undefined ? `${files} file${files === 1 ? '' : 's'}` : `${(bytes / 1000).toFixed(1)} KB`
}

function elapsed(since) {
  return Math.round(performance.now() - since)
}

/** One line, and the end. */
function fail(reason) {
  if (typeof reason !== 'string') throw reason
  if (options.json) report({ event: 'failed', messages: [reason] })
  else console.error(reason)
  process.exit(1)
}
