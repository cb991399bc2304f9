/** What esbuild makes of a program, and how it is written: one ES module, its map, and files that it reads while it runs. */
import type { BuildOptions, OutputFile } from 'esbuild'
import { dirname, relative, resolve, sep } from 'node:path'
import type { Output } from './output.ts'

export const bundleSettings = {
  bundle: true, minify: true, platform: 'node', format: 'esm', target: 'node24', charset: 'utf8',
  sourcemap: 'external', sourcesContent: false, write: false, metafile: true, logLevel: 'silent',
  // An imported .wasm file lies beside the bundle under its own name; what is imported is its path.
  loader: { '.wasm': 'file' }, assetNames: '[name]',
} satisfies BuildOptions

/** CommonJS packages in an ESM bundle (Express) need these; nothing else does. */
const commonJsNames: readonly (readonly [RegExp, string])[] = [
  [/Dynamic require of/, `import{createRequire as __bramble_require}from'node:module';const require=__bramble_require(import.meta.url);`],
  [/\b__dirname\b/, 'const __dirname=import.meta.dirname;'],
  [/\b__filename\b/, 'const __filename=import.meta.filename;'],
]

/**
 * The bundle last: whoever sees the new one finds its files, and its map, whose sources are relative to `folder`. `guard` is code that
 * runs before all other. Answers whether the bundle is another one than before.
 */
export async function writeBundle(output: Output, outputFiles: readonly OutputFile[], folder: string, guard = ''): Promise<boolean> {
  const code = fileOf(outputFiles, '.mjs')
  const map: { sources: string[]; mappings: string } = JSON.parse(fileOf(outputFiles, '.map').text)
  map.sources = map.sources.map((source) => relative(folder, resolve(dirname(code.path), source)).split(sep).join('/'))
  const banner = guard + commonJsNames.filter(([pattern]) => pattern.test(code.text)).map(([, line]) => line).join('')
  const hashbang = /^#!.*\n/.exec(code.text)?.[0] ?? ''
  if (banner) map.mappings = `;${map.mappings}`
  const text = banner ? `${hashbang}${banner}\n${code.text.slice(hashbang.length)}` : code.text
  let isChanged = false
  for (const { path, contents } of outputFiles) {
    if (path !== code.path && !path.endsWith('.mjs.map')) isChanged = await output.write(path, contents) || isChanged
  }
  await output.write(`${code.path}.map`, JSON.stringify(map))
  return await output.write(code.path, text) || isChanged
}

function fileOf(outputFiles: readonly OutputFile[], ending: string): OutputFile {
  const found = outputFiles.find(({ path }) => path.endsWith(ending))
  if (!found) throw new Error(`esbuild made no ${ending} file`)
  return found
}
