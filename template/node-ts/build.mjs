/** Builds the function in `function/` into `out/index.mjs`: what the Dockerfile runs, and nothing else needs. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'

const here = import.meta.dirname
const folder = join(here, 'function')
const handler = ['handler.ts', 'handler.js', 'handler.mjs'].find((file) => existsSync(join(folder, file)))
if (handler === undefined) {
  console.error('function/handler.ts is missing: put the handler there, with the function as its default export')
  process.exit(1)
}

const manifest = join(folder, 'package.json')
if (existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).dependencies !== undefined) {
  // With a lockfile exactly what it names; without one the newest that fits.
  const command = existsSync(join(folder, 'package-lock.json')) ? 'ci' : 'install'
  execFileSync('npm', [command, '--omit=dev', '--no-audit', '--no-fund'], { cwd: folder, stdio: 'inherit' })
}

const options = {
  stdin: {
    contents: `import handler from './function/${handler}'\nimport { serve } from '@bramble/runtime'\nserve(handler)\n`,
    resolveDir: here, sourcefile: 'entry.ts', loader: 'ts',
  },
  // A handler folder has no node_modules above it that holds the runtime, when it is linked in from elsewhere.
  alias: { '@bramble/runtime': join(here, 'runtime/runtime.ts'), '@bramble/runtime/service': join(here, 'runtime/service') },
  bundle: true, minify: true, platform: 'node', format: 'esm', target: 'node24',
  sourcemap: 'external', sourcesContent: false, outfile: join(here, 'out/index.mjs'),
  // An imported .wasm file lies beside the bundle under its own name; what is imported is its path.
  loader: { '.wasm': 'file' }, assetNames: '[name]',
}
await build(options)
// A CommonJS dependency asks for names that an ES module has only if it makes them.
const commonJsNames = {
  'Dynamic require of': 'import{createRequire as brambleRequire}from"node:module";const require=brambleRequire(import.meta.url);',
  __dirname: 'const __dirname=import.meta.dirname;',
  __filename: 'const __filename=import.meta.filename;',
}
const bundle = readFileSync(options.outfile, 'utf8')
const banner = Object.entries(commonJsNames).map(([name, line]) => bundle.includes(name) ? line : '').join('')
if (banner) await build({ ...options, banner: { js: banner } })
