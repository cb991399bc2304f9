import * as assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { checkArchitecture, type Rule, type SourceFile } from './architecture/rules.ts'
import { scanSource } from './architecture/scan.ts'
import { cases, test } from './kit.ts'

const root = join(import.meta.dirname, '..')

test('every source keeps the rules of the house', () => {
  const files = readSources()
  assert.ok(files.length > 20, 'the walk found the sources')
  const violations = checkArchitecture(files).map(({ rule, path, line, text }) => `${path}:${line} [${rule}] ${text}`)
  assert.deepEqual(violations, [])
})

type Planted = { readonly name: string; readonly path: string; readonly source: string; readonly rule: Rule }

const planted: readonly Planted[] = [
  { name: 'a new top-level folder', path: 'scripts/deploy.ts', source: '', rule: 'top level' },
  { name: 'a new top-level file', path: 'Makefile', source: '', rule: 'top level' },
  { name: 'a new folder of the platform', path: 'platform/billing/bill.ts', source: '', rule: 'belongs nowhere' },
  { name: 'a file beside the homes of the platform', path: 'platform/extra.ts', source: '', rule: 'belongs nowhere' },
  { name: 'a third file beside the provider port', path: 'platform/provider/shared.ts', source: '', rule: 'belongs nowhere' },
  { name: 'a new adapter nobody decided on', path: 'platform/provider/nomad/provider.ts', source: '', rule: 'belongs nowhere' },
  { name: 'a second template', path: 'template/python/template.yml', source: '', rule: 'belongs nowhere' },
  { name: 'a file beside the functions', path: 'functions/shared.ts', source: '', rule: 'belongs nowhere' },
  { name: 'a test folder without a home', path: 'test/stuff/a.test.ts', source: '', rule: 'belongs nowhere' },

  imports('lib imports openfaas', 'platform/lib/a.ts', '../openfaas/types.ts'),
  imports('openfaas imports the port', 'platform/openfaas/a.ts', '../provider/provider.ts'),
  imports('metrics imports openfaas', 'platform/metrics/a.ts', '../openfaas/types.ts'),
  imports('config imports openfaas', 'platform/config.ts', './openfaas/types.ts'),
  imports('the provider port imports an adapter', 'platform/provider/provider.ts', './local/local.ts'),
  imports('the queue port imports the gateway', 'platform/queue/queue.ts', '../gateway/gateway.ts'),
  imports('a provider imports the other one', 'platform/provider/local/a.ts', '../kubernetes/status.ts'),
  imports('a provider imports the other one, the other way', 'platform/provider/kubernetes/a.ts', '../local/replica.ts'),
  imports('a provider imports the queue port', 'platform/provider/local/a.ts', '../../queue/queue.ts'),
  imports('a provider imports the gateway', 'platform/provider/local/a.ts', '../../gateway/gateway.ts'),
  imports('a provider imports the metrics', 'platform/provider/local/a.ts', '../../metrics/metrics.ts'),
  imports('a queue imports a provider', 'platform/queue/embedded/a.ts', '../../provider/provider.ts'),
  imports('dispatch imports an adapter', 'platform/queue/dispatch.ts', './embedded/queue.ts'),
  imports('dispatch imports the gateway', 'platform/queue/dispatch.ts', '../gateway/invoke.ts'),
  imports('the scaler imports the gateway', 'platform/scaler/scaler.ts', '../gateway/gateway.ts'),
  imports('the scaler imports an adapter', 'platform/scaler/scaler.ts', '../provider/local/local.ts'),
  imports('cron imports the scaler', 'platform/cron/cron.ts', '../scaler/scaler.ts'),
  imports('the gateway imports the scaler', 'platform/gateway/invoke.ts', '../scaler/wake.ts'),
  imports('the gateway imports an adapter', 'platform/gateway/gateway.ts', '../provider/local/local.ts'),
  imports('the gateway imports the configuration', 'platform/gateway/gateway.ts', '../config.ts'),
  imports('the gateway imports the stack', 'platform/gateway/system/info.ts', '../../stack/stack.ts'),
  imports('the stack imports the gateway', 'platform/stack/stack.ts', '../gateway/gateway.ts'),
  imports('the image imports the stack', 'platform/image/image.ts', '../stack/stack.ts'),
  imports('the cli imports the gateway', 'platform/cli/list.ts', '../gateway/gateway.ts'),
  imports('the cli imports a provider', 'platform/cli/list.ts', '../provider/local/local.ts'),
  imports('main imports the cli', 'platform/main.ts', './cli/main.ts'),
  imports('the platform imports the template', 'platform/gateway/a.ts', '@bramble/runtime'),
  imports('the platform imports a function', 'platform/cli/up.ts', '../../functions/hello/handler.ts'),
  imports('the platform imports a test', 'platform/lib/a.ts', '../../test/kit.ts'),
  imports('the template imports the platform', 'template/node-ts/runtime/a.ts', '../../../platform/lib/log.ts'),
  imports('the template imports a test', 'template/node-ts/runtime/a.ts', '../../../test/kit.ts'),
  imports('a function imports the platform', 'functions/auth/handler.ts', '../../platform/lib/errors.ts'),
  imports('a function imports another one', 'functions/auth/handler.ts', '../data/handler.ts'),
  imports('a function imports a test', 'functions/auth/handler.ts', '../../test/kit.ts'),
  imports('the build imports the gateway', 'build.mjs', './platform/gateway/gateway.ts'),
  imports('the build imports the platform', 'build.mjs', './platform/main.ts'),
  imports('an import leaves the repository', 'test/lib/a.test.ts', '../../../elsewhere/a.ts'),
  imports('an import by absolute path', 'platform/lib/a.ts', '/srv/a.ts'),
  imports('an import of a place without a home', 'platform/main.ts', './billing/bill.ts'),
  {
    name: 'a type-only import counts', path: 'platform/lib/a.ts', rule: 'import',
    source: `import type { Route } from '../provider/provider.ts'`,
  },
  {
    name: 'a re-export counts', path: 'platform/lib/a.ts', rule: 'import',
    source: `export * from '../openfaas/types.ts'`,
  },
  {
    name: 'a named re-export over several lines counts', path: 'platform/lib/a.ts', rule: 'import',
    source: `export {\n  a,\n  type B,\n} from "../openfaas/types.ts"`,
  },
  {
    name: 'a lazy import counts', path: 'platform/lib/a.ts', rule: 'import',
    source: `const load = async () => import('../openfaas/types.ts')`,
  },
  {
    name: 'a lazy import inside a template text counts', path: 'platform/lib/a.ts', rule: 'import',
    source: 'const text = `a ${await import("../openfaas/types.ts")} b`',
  },
  {
    name: 'an import for its effect counts', path: 'platform/lib/a.ts', rule: 'import',
    source: `import '../openfaas/types.ts'`,
  },
  {
    name: 'a type taken from an import expression counts', path: 'platform/lib/a.ts', rule: 'import',
    source: `type Route = import('../provider/provider.ts').Route`,
  },
  {
    name: 'an import that cannot be read', path: 'platform/gateway/a.ts', rule: 'computed import',
    source: 'const load = (name: string) => import(`./${name}.ts`)',
  },

  imports('the Kubernetes client outside its adapter', 'platform/provider/local/a.ts', '@kubernetes/client-node', 'package'),
  imports('undici outside the gateway', 'platform/cli/client.ts', 'undici', 'package'),
  imports('http-proxy in the gateway', 'platform/gateway/upgrade.ts', 'http-proxy', 'package'),
  imports('croner outside cron', 'platform/scaler/scaler.ts', 'croner', 'package'),
  imports('jose in the gateway beside the edge', 'platform/gateway/auth.ts', 'jose', 'package'),
  imports('sql.js in the platform', 'platform/queue/embedded/queue.ts', 'sql.js', 'package'),
  imports('quick-lru in the scaler', 'platform/scaler/scaler.ts', 'quick-lru', 'package'),
  imports('express in a provider', 'platform/provider/local/a.ts', 'express', 'package'),
  imports('yaml in the gateway', 'platform/gateway/a.ts', 'yaml', 'package'),
  imports('esbuild in the platform', 'platform/cli/dev.ts', 'esbuild', 'package'),
  imports('ws in the gateway', 'platform/gateway/upgrade.ts', 'ws', 'package'),
  imports('uvu around the kit', 'test/lib/log.test.ts', 'uvu', 'package'),
  imports('a part of a package is the package', 'platform/lib/a.ts', 'undici/lib/core.js', 'package'),
  imports('a package without a home', 'platform/lib/a.ts', 'lodash', 'package'),
  imports('a built-in without node:', 'platform/lib/a.ts', 'fs', 'package'),
  imports('the process as a module', 'platform/gateway/a.ts', 'node:process', 'package'),
  {
    name: 'a package through require', path: 'platform/lib/a.ts', rule: 'package',
    source: `const express = require('express')`,
  },

  { name: 'process.exit in a part', path: 'platform/gateway/a.ts', source: 'process.exit(1)', rule: 'process.exit' },
  { name: 'process.exit in a command', path: 'platform/cli/list.ts', source: 'if (bad) process.exit(1)', rule: 'process.exit' },
  { name: 'process.exit in a function', path: 'functions/auth/handler.ts', source: 'process.exit()', rule: 'process.exit' },
  { name: 'process.abort in a part', path: 'platform/gateway/a.ts', source: 'process.abort()', rule: 'process.exit' },
  { name: 'exit by index', path: 'platform/gateway/a.ts', source: `process['exit'](1)`, rule: 'process.exit' },
  { name: 'exit handed on as a value', path: 'platform/gateway/a.ts', source: 'onDone(process.exit)', rule: 'process.exit' },
  { name: 'process.env in a part', path: 'platform/gateway/a.ts', source: 'const a = process.env.PORT', rule: 'process.env' },
  { name: 'process.env in the settings', path: 'platform/config.ts', source: 'readConfig(process.env)', rule: 'process.env' },
  { name: 'process.env inside a template text', path: 'platform/lib/a.ts', source: 'log(`${process.env.HOME}`)', rule: 'process.env' },
  { name: 'the environment by destructuring', path: 'platform/lib/a.ts', source: 'const { env } = process\n', rule: 'process.exit' },
  { name: 'the process under another name', path: 'platform/lib/a.ts', source: 'const p = process\np.exit()', rule: 'process.exit' },

  { name: 'a file called utils', path: 'platform/lib/utils.ts', source: '', rule: 'name' },
  { name: 'a file called helper', path: 'platform/gateway/helper.ts', source: '', rule: 'name' },
  { name: 'a folder called common', path: 'platform/gateway/common/a.ts', source: '', rule: 'name' },
  { name: 'a folder of test helpers', path: 'test/gateway/helpers/a.ts', source: '', rule: 'name' },
  { name: 'a test of utils', path: 'test/lib/utils.test.ts', source: '', rule: 'name' },
  { name: 'a barrel', path: 'platform/gateway/index.ts', source: '', rule: 'name' },
  { name: 'a barrel in JavaScript', path: 'functions/auth/index.mjs', source: '', rule: 'name' },
  { name: 'a file in camel case', path: 'platform/lib/singleFlight.ts', source: '', rule: 'name' },
  { name: 'a file in CommonJS', path: 'platform/lib/a.cjs', source: '', rule: 'name' },

  { name: 'a default export in a part', path: 'platform/lib/a.ts', source: 'export default function a() {}', rule: 'default export' },
  { name: 'a default export by name', path: 'platform/lib/a.ts', source: 'const a = 1\nexport { a as default }', rule: 'default export' },
  { name: 'a default export beside the handler', path: 'functions/auth/token.ts', source: 'export default {}', rule: 'default export' },
  { name: 'a default export in the runtime', path: 'template/node-ts/runtime/a.ts', source: 'export default 1', rule: 'default export' },

  { name: 'a file of 301 lines', path: 'platform/lib/a.ts', source: 'const a = 1\n'.repeat(301), rule: 'length' },
  { name: 'a runtime file of 301 lines', path: 'template/node-ts/runtime/a.ts', source: '\n'.repeat(301), rule: 'length' },
]

cases('a planted violation is caught, and only that', planted, ({ path, source, rule }) => {
  const found = checkArchitecture([{ path, source }])
  assert.deepEqual([...new Set(found.map((violation) => violation.rule))], [rule])
})

test('an exit in a part is caught on its line', () => {
  const [found] = checkArchitecture([{ path: 'platform/gateway/a.ts', source: '/* one\n two */\n\nprocess.exit(1)\n' }])
  assert.equal(found?.line, 4)
})

cases('what the house allows passes', [
  { name: 'main brings the parts together', path: 'platform/main.ts', source: `import { a } from './provider/local/local.ts'\nimport { b } from './gateway/gateway.ts'` },
  { name: 'the gateway imports both ports and the metrics', path: 'platform/gateway/a.ts', source: `import type { A } from '../provider/provider.ts'\nimport type { B } from '../queue/queue.ts'\nimport { c } from '../metrics/metrics.ts'\nimport { d } from './system/info.ts'\nimport { Pool } from 'undici'` },
  { name: 'a command starts the platform', path: 'platform/cli/start.ts', source: `import { main } from '../main.ts'` },
  { name: 'a function imports the runtime and its own files', path: 'functions/auth/handler.ts', source: `import type { Handler } from '@bramble/runtime'\nimport { a } from './token.ts'\nimport { jwtVerify } from 'jose'\nexport default {}` },
  { name: 'a test imports anything', path: 'test/e2e/a.test.ts', source: `import { a } from '../../platform/provider/local/local.ts'\nimport { b } from '../../template/node-ts/runtime/serve.ts'` },
  { name: 'an exit code', path: 'platform/cli/list.ts', source: 'process.exitCode = 1' },
  { name: 'a comment about process.exit', path: 'platform/lib/a.ts', source: '// process.exit(1)\n/* import x from "undici" */' },
  { name: 'a text about an import', path: 'platform/lib/a.ts', source: `const text = "import x from 'undici'"\nconst more = \`\nimport y from 'undici'\nprocess.env\n\`` },
  { name: 'a file of 300 lines', path: 'platform/lib/a.ts', source: 'const a = 1\n'.repeat(300) },
  { name: 'memory and signals of the process', path: 'platform/gateway/a.ts', source: 'process.memoryUsage().rss\nprocess.cpuUsage()' },
], ({ path, source }) => assert.deepEqual(checkArchitecture([{ path, source }]), []))

cases('a source is read as the language reads it', [
  { name: 'a quote in a regular expression opens no text', source: `const a = /'/\nimport 'undici'` },
  { name: 'a slash in a class ends no expression', source: `const a = b.replace(/[/'"]/g, '')\nimport 'undici'` },
  { name: 'a division is no expression', source: `const a = b / c // '\nconst d = (e) / f\nimport 'undici'` },
  { name: 'an apostrophe in a comment opens no text', source: `// don't\nimport 'undici'` },
  { name: 'an escaped quote ends no text', source: `const a = 'it\\'s'\nimport 'undici'` },
  { name: 'braces inside a template text are matched', source: 'const a = `x ${ { b: `y ${c}` }.b } import "z"`\nimport "undici"' },
  { name: 'an address in a text is no comment', source: `const a = 'http://x'; import('undici')` },
], ({ source }) => assert.deepEqual(scanSource(source).imports.map(({ specifier }) => specifier), ['undici']))

function imports(name: string, path: string, specifier: string, rule: 'import' | 'package' = 'import'): Planted {
  return { name, path, source: `import { a } from '${specifier}'\n`, rule }
}

/** Tracked or not: everything that git would take. Hidden folders below the top are tests' own scratch. */
function readSources(folder = ''): SourceFile[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (isIgnored(path) || entry.name === '.git' || (folder !== '' && entry.name.startsWith('.'))) return []
    if (entry.isDirectory()) return readSources(path)
    return [{ path, source: readFileSync(join(root, path), 'utf8') }]
  })
}

/** The forms `.gitignore` uses here: `/name/` at the top, `name/` and `name` anywhere, `*.end`. */
function isIgnored(path: string): boolean {
  const name = path.replace(/^.*\//, '')
  return readFileSync(join(root, '.gitignore'), 'utf8').split('\n').filter(Boolean).some((pattern) =>
    pattern.startsWith('*') ? name.endsWith(pattern.slice(1))
      : pattern.startsWith('/') ? path === pattern.slice(1).replace(/\/$/, '')
      : name === pattern.replace(/\/$/, ''))
}
