/**
 * Bundles the functions of a stack file into `dist/functions/NAME/index.mjs`, and the platform into `dist/bramble.mjs`.
 *
 *   node build.mjs [NAME…] [-f FILE] [--filter GLOB] [--regex PATTERN] [--out DIR] [--watch] [--json]
 *
 * With names, -f or a filter only functions are built. A file whose content would be the same is left untouched, and
 * every file appears whole or not at all. Folders of functions that left the stack file stay: other stack files may
 * share them. `--json` prints one JSON object per event, for the `bramble` command.
 */
import { chmod, copyFile, mkdir, readdir, readFile, realpath, rename, rm, rmdir, stat, utimes, writeFile } from 'node:fs/promises'
import { rmSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { parseArgs } from 'node:util'

const MIN_NODE = 24
if (Number(process.versions.node.split('.')[0]) < MIN_NODE) {
  console.error(`build.mjs needs Node ${MIN_NODE} or later, this is ${process.version}: use "npm run build", which finds the Node that npm ci installed`)
  process.exit(1)
}
/** `npx bramble` finds the right Node; whoever runs the file with an old one is told. */
const OLD_NODE_GUARD = `if(+process.versions.node.split('.')[0]<${MIN_NODE}){console.error('bramble needs Node ${MIN_NODE} or later, this is '+process.version+': use "npx bramble", which finds the Node that npm ci installed');process.exit(1)}`
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
/**
 * `platform.mjs` is apart, so that `bramble list` does not load it. With its packages inside it starts 20 ms sooner and
 * with 3 MB less than without them; not minified it is 10 ms and 2 MB better still, and its stack traces can be read.
 */
const programs = { bramble: 'platform/cli/main.ts', platform: 'platform/main.ts' }

const root = import.meta.dirname
const cwd = process.cwd()
const startedAt = performance.now()
const { values: options, positionals: names } = readArguments()
const outFolder = resolve(cwd, options.out ?? (process.env.functions_dir || 'dist/functions'))
/** Drafts lie on the disk of what they become, and outside of the functions' folders. */
const scratches = [outFolder, join(root, 'dist')].map((folder) => join(folder, `.tmp-${process.pid}`))
const isNarrowed = names.length > 0 || Boolean(options.yaml ?? options.filter ?? options.regex)

const esbuild = await import('esbuild').catch(() => fail('esbuild is not installed: run npm ci first'))
const { readStack, showPath, resolveInStack } = await import('./platform/stack/read-stack.ts')
const { selectFunctions } = await import('./platform/stack/filter.ts')
const { buildContext, handlerFolder } = await import('./platform/stack/build-context.ts')
const { buildMessages } = await import('./platform/stack/build-messages.ts')
const { handlerFile, passedOnHandler, BUNDLED_LANG } = await import('./platform/stack/handler-file.ts')
const { checkImageNames, imageName } = await import('./platform/stack/image-name.ts')
const { createSourceWatch } = await import('./platform/stack/source-watch.ts')
const { readTemplate } = await import('./platform/stack/template.ts')

let failures = 0
let drafts = 0
try {
  if (!isNarrowed) await buildPlatform()
  const stack = await loadStack()
  const builds = await buildFunctions(stack, stack.selected)
  report({ event: 'done', failed: failures, ms: elapsed(startedAt) })
  if (options.watch) await watchForChanges(stack, builds)
} catch (error) {
  fail(error instanceof Error && error.name.endsWith('Error') && 'code' in error ? error.message : error)
} finally {
  await cleanUp()
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
  for (const message of stack.warnings) report({ event: 'warning', messages: [message] })
  const selected = selectFunctions(stack.functions, { filter: options.filter, regex: options.regex, names })
  checkImageNames(selected)
  return { ...stack, selected }
}

/** Functions that share an image share its build. In the order of `functions`. */
function buildFunctions(stack, functions) {
  const images = new Map()
  return Promise.all(functions.map((one) => buildFunction(stack, one, images)))
}

/** Never throws: what is wrong with one function is reported, and the others are built. */
async function buildFunction(stack, one, images) {
  const began = performance.now()
  const build = { one, inputs: new Set(), folder: undefined, isBroken: false, isCopied: one.lang !== BUNDLED_LANG }
  try {
    if (one.isBuildSkipped || (one.handler === undefined && one.lang === undefined)) {
      report({ event: 'skipped', function: one.name })
      return build
    }
    build.folder = handlerFolder(stack, one)
    const image = imageName(one)
    if (!images.has(image)) images.set(image, build.isCopied ? copyFunction(stack, one) : bundleFunction(stack, one, build.folder))
    const { inputs = [], ...result } = await images.get(image)
    build.inputs = new Set(inputs)
    report({ event: 'function', function: one.name, ...result, ms: elapsed(began) })
  } catch (error) {
    build.isBroken = true
    failures++
    report({ event: 'failed', function: one.name, messages: messagesOf(error, placeOf(build)) })
  }
  return build
}

async function bundleFunction(stack, one, folder) {
  const handler = await realpath(handlerFile(folder, one))
  const outfile = join(outFolder, imageName(one), 'index.mjs')
  const source = await readFile(handler, 'utf8')
  const passedOn = passedOnHandler(source)
  // It may stand in a comment, of which this leaves nothing.
  const isPassedOn = passedOn && (await esbuild.transform(source, { loader: 'ts' })).code.includes(JSON.stringify(passedOn.from))
  const { outputFiles, metafile, warnings } = await esbuild.build({
    ...bundleSettings,
    stdin: {
      contents: `import handler from ${JSON.stringify(handler)}\nimport { serve } from '@bramble/runtime'\nserve(handler)\n` +
        // esbuild drops a passed on name that is not there without a word, taking it for a type; imported, it must be.
        (isPassedOn ? `import { ${passedOn.name} as passedOn } from ${JSON.stringify(passedOn.from)}\nvoid passedOn\n` : ''),
      resolveDir: folder,
      sourcefile: join(folder, ENTRY),
    },
    outfile,
    alias: { '@bramble/runtime': join(root, 'template', 'node-ts', 'runtime', 'runtime.ts') },
  }).catch((error) => { throw Object.assign(error, isPassedOn && { passedOn: `${showPath(handler, cwd)}:${passedOn.line}:1` }) })
  const inputs = Object.entries(metafile.inputs).map(([path, { format }]) => ({ path: resolve(cwd, path), format }))
  // A file without any import or export is taken for CommonJS, whose default export is there but empty.
  if (inputs.some(({ path, format }) => path === handler && format === undefined)) {
    throw new Error(`${showPath(handler, cwd)}:1:1: the handler of function ${one.name} is not exported: write "export default" before it`)
  }
  for (const message of buildMessages(warnings, placeOf({ one, folder }))) report({ event: 'warning', function: one.name, messages: [message] })
  const isChanged = await writeBundle(outputFiles, stack.folder)
  return { bytes: (await stat(outfile)).size, isChanged, inputs: inputs.map(({ path }) => path) }
}

function placeOf({ one, folder }) {
  return { function: one.name, folder: showPath(folder ?? '', cwd), entry: ENTRY }
}

/** Another language: the build context as it is, for a program that `fprocess` names. */
async function copyFunction(stack, one) {
  if (one.lang === undefined) throw new Error(`${one.place}: function ${one.name} has a handler but no language: add "lang: ${BUNDLED_LANG}"`)
  const isOptional = one.fprocess !== undefined
  const template = await readTemplate(stack, one, [root]).catch((error) => {
    if (isOptional) return undefined
    throw error
  })
  const target = join(outFolder, imageName(one))
  /** Target → source: a later part of the context wins. */
  const wanted = new Map()
  for (const { from, to, except } of buildContext(stack, one, template)) {
    for await (const file of filesBelow(from, except)) wanted.set(join(target, to, relative(from, file)), file)
  }
  let isChanged = false
  // What has gone goes first: a folder may have become a file, or the other way round.
  for await (const path of filesBelow(target, [])) {
    if (wanted.has(path)) continue
    await rm(path)
    for (let above = dirname(path); above !== target; above = dirname(above)) if (!await rmdir(above).then(() => true, () => false)) break
    isChanged = true
  }
  for (const [path, file] of wanted) if (await copyIfChanged(file, path)) isChanged = true
  return { files: wanted.size, isChanged }
}

async function buildPlatform() {
  const began = performance.now()
  const platformApart = {
    name: 'platform-apart',
    setup(build) {
      build.onResolve({ filter: /^\.\.\/main\.ts$/ }, ({ importer, path }) =>
        resolve(dirname(importer), path) === join(root, programs.platform) ? { path: './platform.mjs', external: true } : undefined)
    },
  }
  await Promise.all(Object.entries(programs).map(async ([name, entry]) => {
    const outfile = join(root, 'dist', `${name}.mjs`)
    try {
      const { outputFiles } = await esbuild.build({
        ...bundleSettings, minify: false, entryPoints: [join(root, entry)], outfile, plugins: [platformApart],
      })
      await writeBundle(outputFiles, root, name === 'bramble' ? OLD_NODE_GUARD : '')
      if (name === 'bramble') await chmod(outfile, 0o755)
      report({ event: 'program', file: showPath(outfile, cwd), bytes: (await stat(outfile)).size, ms: elapsed(began) })
    } catch (error) {
      failures++
      report({ event: 'failed', messages: messagesOf(error) })
    }
  }))
}

/** The map first: whoever sees the new bundle finds its map. Answers whether the bundle is another one than before. */
async function writeBundle(outputFiles, folder, guard = '') {
  const code = outputFiles.find(({ path }) => path.endsWith('.mjs'))
  const map = JSON.parse(outputFiles.find(({ path }) => path.endsWith('.map')).text)
  map.sources = map.sources.map((source) => relative(folder, resolve(dirname(code.path), source)).split(sep).join('/'))
  const banner = guard + commonJsNames.filter(([pattern]) => pattern.test(code.text)).map(([, line]) => line).join('')
  const hashbang = /^#!.*\n/.exec(code.text)?.[0] ?? ''
  if (banner) map.mappings = `;${map.mappings}`
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
  const [source, target] = await Promise.all([stat(from), stat(to).catch(() => undefined)])
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
  const scratch = path.startsWith(outFolder + sep) ? scratches[0] : scratches[1]
  const draft = join(scratch, String(drafts++))
  await mkdir(scratch, { recursive: true })
  await mkdir(dirname(path), { recursive: true })
  await write(draft)
  await rename(draft, path)
}

/** Links are followed: a bundle holds plain files. `above` are the folders on the way, so that a loop is seen. */
async function* filesBelow(path, except, above = []) {
  const info = await stat(path).catch(() => undefined)
  if (info?.isFile()) yield path
  if (!info?.isDirectory()) return
  const real = await realpath(path)
  if (above.includes(real)) return
  for (const name of await readdir(path)) if (!except.includes(name)) yield* filesBelow(join(path, name), [], [...above, real])
}

async function cleanUp() {
  for (const scratch of scratches) await rm(scratch, { recursive: true, force: true })
}

function messagesOf(error, place) {
  if (Array.isArray(error?.errors)) return buildMessages(error.errors, place && { ...place, passedOn: error.passedOn })
  return [error instanceof Error ? error.message : String(error)]
}

/** Rebuilds what a change touches: a function's own sources, wherever they lie, and all when the stack file changes. */
async function watchForChanges(stack, builds) {
  const settings = () => [stack.path, ...stack.selected.flatMap((one) => one.environmentFiles.map((file) => resolveInStack(stack, file)))]

  const update = async (paths) => {
    failures = 0
    const began = performance.now()
    const isNewStack = settings().some((path) => paths.has(path))
    if (isNewStack) {
      stack = await loadStack()
      report({ event: 'stack' })
    }
    const kept = isNewStack ? [] : builds.filter((build) => !isTouched(build, paths))
    const due = stack.selected.filter((one) => !kept.some((build) => build.one.name === one.name))
    builds = [...kept, ...await buildFunctions(stack, due)]
    report({ event: 'done', failed: failures, ms: elapsed(began) })
  }
  const follow = async () => {
    const folders = new Set(settings().map(dirname))
    for (const build of builds) {
      for (const path of build.inputs) if (!path.includes(`${sep}node_modules${sep}`)) folders.add(dirname(path))
      if (build.folder === undefined) folders.add(resolve(stack.folder, build.one.handler ?? '.', '..'))
      else for await (const folder of foldersBelow(build.folder)) folders.add(folder)
    }
    watched.follow(folders)
  }
  const watched = createSourceWatch((paths) => update(paths)
    .catch((error) => report({ event: 'failed', messages: messagesOf(error) }))
    .then(cleanUp)
    .then(follow))

  await follow()
  report({ event: 'watching' })
  // The command that started this build is gone when its end of the pipe is.
  if (options.json) process.stdin.on('end', () => cleanUp().then(() => process.exit(0))).resume()
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
    case 'warning': return console.error(`warning: ${event.messages[0]}`)
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
  for (const scratch of scratches) rmSync(scratch, { recursive: true, force: true })
  if (options.json) report({ event: 'failed', messages: [reason] })
  else console.error(reason)
  process.exit(1)
}
