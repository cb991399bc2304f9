/** The house's rules over (path, source) pairs; design: who may import whom, one package one home, names, sizes. */
import { isBuiltin } from 'node:module'
import { posix } from 'node:path'
import { lineAt, scanSource, type Scan } from './scan.ts'

export type SourceFile = { readonly path: string; readonly source: string }

export type Rule =
  | 'belongs nowhere' | 'top level' | 'import' | 'package' | 'computed import' | 'process.exit' | 'process.env'
  | 'name' | 'default export' | 'length'

export type Violation = { readonly rule: Rule; readonly path: string; readonly line: number; readonly text: string }

/** What may lie at the top; anything else needs a decision. */
const topLevel = new Set([
  'functions', 'stack.yml', 'template', 'platform', 'package.json', 'tsconfig.json', 'build.mjs', 'test', 'install.sh',
  'README.md', 'ARCHITECTURE.md', 'SECURITY.md', 'CHANGELOG.md', 'LICENSE', 'docs', '.ci',
  '.gitignore', '.npmrc', 'package-lock.json',
  // What of stack.yml runs on OpenFaaS's Community Edition.
  'stack.openfaas.yml',
  // The example application, on top of stack.yml.
  'stack.album.yml',
])

type Home = {
  readonly name: string
  readonly at: RegExp
  /** Homes it may import besides itself; `*` is every one. */
  readonly mayImport: readonly string[]
}

const ports = ['provider port', 'queue port']
const words = ['openfaas', 'lib']

/** The first that matches is a file's home. A file that none matches belongs nowhere. */
const homes: readonly Home[] = [
  { name: 'lib', at: /^platform\/lib\//, mayImport: [] },
  { name: 'openfaas', at: /^platform\/openfaas\//, mayImport: ['lib'] },
  { name: 'metrics', at: /^platform\/metrics\//, mayImport: ['lib'] },
  { name: 'config', at: /^platform\/config\.ts$/, mayImport: ['lib'] },
  { name: 'provider port', at: /^platform\/provider\/provider\.ts$/, mayImport: words },
  { name: 'queue port', at: /^platform\/queue\/queue\.ts$/, mayImport: words },
  { name: 'provider/local', at: /^platform\/provider\/local\//, mayImport: ['provider port', ...words] },
  { name: 'provider/kubernetes', at: /^platform\/provider\/kubernetes\//, mayImport: ['provider port', ...words] },
  { name: 'queue/embedded', at: /^platform\/queue\/embedded\//, mayImport: ['queue port', ...words] },
  { name: 'queue/jetstream', at: /^platform\/queue\/jetstream\//, mayImport: ['queue port', ...words] },
  { name: 'queue/dispatch', at: /^platform\/queue\/[a-z-]+\.ts$/, mayImport: [...ports, ...words, 'metrics'] },
  { name: 'scaler', at: /^platform\/scaler\//, mayImport: [...ports, ...words, 'metrics'] },
  { name: 'cron', at: /^platform\/cron\//, mayImport: [...ports, ...words, 'metrics'] },
  { name: 'gateway', at: /^platform\/gateway\//, mayImport: [...ports, ...words, 'metrics'] },
  // The page under /ui; main.ts hands it to the gateway.
  { name: 'dashboard', at: /^platform\/dashboard\//, mayImport: words },
  { name: 'stack', at: /^platform\/stack\//, mayImport: words },
  { name: 'image', at: /^platform\/image\//, mayImport: words },
  { name: 'cli', at: /^platform\/cli\//, mayImport: ['stack', 'image', ...words, 'main'] },
  {
    name: 'main',
    // The two programs of the platform, and what they share.
    at: /^platform\/(?:main|data-path|run|supervise|children|async-calls|lead)\.ts$/,
    mayImport: [
      ...words, ...ports, 'config', 'metrics', 'provider/local', 'provider/kubernetes', 'queue/embedded',
      'queue/jetstream', 'queue/dispatch', 'scaler', 'cron', 'gateway', 'dashboard', 'stack', 'image',
    ],
  },
  { name: 'platform image', at: /^platform\/(?:Dockerfile|deploy\.yml)$/, mayImport: [] },
  { name: 'template', at: /^template\/node-ts\//, mayImport: [] },
  { name: 'function', at: /^functions\/[^/]+\//, mayImport: ['template'] },
  // The two halves of the build: the command at the top, and how it is done.
  { name: 'build', at: /^(?:build\.mjs$|platform\/build\/)/, mayImport: ['stack', 'image', ...words] },
  { name: 'test', at: /^test\/(?:kit|run|start-function|power-cut)(?:\.test)?\.ts$/, mayImport: ['*'] },
  { name: 'test', at: /^test\/architecture(?:\.test\.ts$|\/)/, mayImport: ['*'] },
  // The mirrored tree, and the suites of their own.
  { name: 'test', at: /^test\/(?:lib|openfaas|metrics|provider|queue|gateway|scaler|cron|dashboard|stack|image|cli|template|functions|build|runtime)\//, mayImport: ['*'] },
  { name: 'test', at: /^test\/(?:config|main|build|supervise)\.test\.ts$/, mayImport: ['*'] },
  { name: 'test', at: /^test\/(?:api|contract|e2e|kill|cluster|image-host|bench|soak|browser|fixtures)\//, mayImport: ['*'] },
  { name: 'words about it', at: /^(?:docs|\.ci)\//, mayImport: [] },
  { name: 'words about it', at: /^[^/]+$/, mayImport: [] },
]

/** One package, one home. What is not here is a decision nobody has taken. */
const packageHomes: Readonly<Record<string, RegExp>> = {
  '@kubernetes/client-node': /^platform\/provider\/kubernetes\//,
  // Forwards calls; the bench keeps a bare prototype with it as the floor.
  undici: /^(?:platform\/gateway|test\/bench)\//,
  // Upgraded connections go through node:http in gateway/upgrade.ts: fewer lines than its events need, and its
  // last release is from 2020. It stays as the comparison of the bench.
  'http-proxy': /^test\/bench\//,
  croner: /^(?:platform\/cron|functions\/scheduler)\//,
  // The tests check tokens with it as a service would, and make the bad ones.
  jose: /^(?:platform\/gateway\/edge|functions\/(?:auth|files|album)|test\/functions\/(?:auth|files|album))\//,
  'sql.js': /^(?:functions\/data|test)\//,
  // Input of the services; its schemas are written into their OpenAPI descriptions too.
  zod: /^(?:functions\/[^/]+|test)\//,
  // Mail over SMTP: no dependencies of its own.
  nodemailer: /^functions\/(?:auth|monitor)\//,
  'quick-lru': /^(?:functions\/cache|platform\/gateway\/edge)\//,
  // Forms with files, as a stream: no dependencies of its own.
  '@fastify/busboy': /^functions\/files\//,
  // The client that applications upload with.
  'tus-js-client': /^test\//,
  // Where a route table helps more than raw speed: /system, and functions' own APIs.
  express: /^(?:platform\/gateway|functions\/[^/]+|test)\//,
  // Stack files, and the credentials file of the CLI, which is YAML too.
  yaml: /^(?:platform\/stack|platform\/cli|test)\//,
  // A function is bundled by the build, and alone in a Docker build by the template.
  esbuild: /^(?:build\.mjs$|platform\/build\/|template\/|test\/)/,
  // The client of the WebSocket tests and the server of their fixtures; the platform only passes bytes.
  ws: /^test\//,
  // Of it only the decoders in WebAssembly: JPEG at an eighth of its size in some megabytes.
  imagescript: /^(?:functions|test\/functions)\/thumbnail\//,
  // Looks at pages in Debian's Chromium.
  'playwright-core': /^test\/browser\//,
  // Layers, .deb contents and archives: no dependencies of its own, typed, and the same bytes for the same input.
  'modern-tar': /^(?:platform\/image|test)\//,
  // Only behind the kit, which closes its holes.
  uvu: /^test\/kit\.ts$/,
  'uvu/assert': /^test\//,
}

/** Ends the process: composition roots, and the runtime, which is a process of its own. Tests run programs too. */
const mayExit = /^(?:platform\/(?:run|data-path|supervise)\.ts$|platform\/cli\/main\.ts$|build\.mjs$|template\/|test\/|\.ci\/)/
/** Reads the environment: the same, and functions, whose settings come that way. */
const mayReadEnv = /^(?:platform\/(?:run|data-path)\.ts$|platform\/cli\/|build\.mjs$|template\/|functions\/|test\/|\.ci\/)/
const exitForms = /\bprocess\s*\??\.\s*(?:exit|reallyExit|abort)\b(?!\s*:)/g
const envForms = /\bprocess\s*\??\.\s*(?:env|loadEnvFile)\b/g
/** Ways around both: an index, a destructuring, an alias, the module. */
const hiddenForms = /\bprocess\s*(?:\?\.)?\[|[=(,:]\s*process\s*(?=[\n;,)}]|$)/g

const mayComputeImports = /^(?:template|test)\//
/** A handler is the default export of its file; fixtures are functions too, and declarations describe others' code. */
const mayExportDefault = /(?:^|\/)handler\.(?:ts|mjs|js)$|^test\/fixtures\/|\.d\.ts$/
const vagueName = /^(?:utils?|helpers?|commons?|misc)$/
const codeFile = /\.(?:[cm]?[jt]s|[jt]sx)$/
const kebabName = /^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.test|\.d)?\.(?:ts|mjs)$/
/** Past this it holds two things. */
const MAX_LINES = 300

export function checkArchitecture(files: readonly SourceFile[]): Violation[] {
  return files.flatMap(checkFile)
}

function checkFile({ path, source }: SourceFile): Violation[] {
  const found: Violation[] = []
  const add = (rule: Rule, line: number, text: string): void => { found.push({ rule, path, line, text }) }

  const top = path.split('/')[0] ?? ''
  const home = homes.find(({ at }) => at.test(path))
  if (!topLevel.has(top)) add('top level', 1, `${top} is not one of the fixed top-level entries`)
  else if (!home) add('belongs nowhere', 1, 'decide who may use it, and add its home to the table')
  checkNames(path, add)
  if (!codeFile.test(path)) return found

  const scan = scanSource(source)
  for (const { specifier, line } of scan.imports) {
    const complaint = checkImport(path, home, specifier)
    if (complaint) add(complaint.rule, line, complaint.text)
  }
  checkCode(path, scan, add)
  const lines = source.split('\n').length - (source.endsWith('\n') ? 1 : 0)
  if (lines > MAX_LINES && /^(?:platform|template)\//.test(path)) add('length', lines, `${lines} lines: it holds two things`)
  return found
}

type Complaint = { readonly rule: 'import' | 'package'; readonly text: string }

function checkImport(path: string, home: Home | undefined, specifier: string): Complaint | undefined {
  if (specifier.startsWith('node:')) {
    return specifier === 'node:process' && !(mayExit.test(path) && mayReadEnv.test(path))
      ? { rule: 'package', text: 'node:process has exit and env: take values from main.ts' }
      : undefined
  }
  const target = targetOf(path, specifier)
  if (target === undefined) return checkPackage(path, specifier)
  const to = homes.find(({ at }) => at.test(target))
  if (!home || !to) return { rule: 'import', text: `${specifier} belongs nowhere` }
  const isSame = home.name === to.name && (home.name !== 'function' || folderOf(path) === folderOf(target))
  if (isSame || home.mayImport.includes('*') || home.mayImport.includes(to.name)) return undefined
  return { rule: 'import', text: `${home.name} must not import ${specifier} (${to.name})` }
}

/** The path inside the repository that a specifier means; `undefined` for a package. */
function targetOf(path: string, specifier: string): string | undefined {
  if (specifier === '@bramble/runtime' || specifier.startsWith('@bramble/runtime/')) return 'template/node-ts/runtime/'
  if (/^(?:\/|file:|data:|https?:)/.test(specifier)) return '../'
  return specifier.startsWith('.') ? posix.join(posix.dirname(path), specifier) : undefined
}

function checkPackage(path: string, specifier: string): Complaint | undefined {
  if (isBuiltin(specifier)) return { rule: 'package', text: `write node:${specifier}` }
  const whole = specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1).join('/')
  // A part may have a home of its own.
  const name = Object.hasOwn(packageHomes, specifier) ? specifier : whole
  const allowed = Object.hasOwn(packageHomes, name) ? packageHomes[name] : undefined
  if (!allowed) return { rule: 'package', text: `package ${name} has no home` }
  return allowed.test(path) ? undefined : { rule: 'package', text: `package ${name} has its home elsewhere` }
}

function folderOf(path: string): string {
  return path.split('/').slice(0, 2).join('/')
}

type Add = (rule: Rule, line: number, text: string) => void

function checkNames(path: string, add: Add): void {
  const segments = path.split('/')
  const file = segments.at(-1) ?? ''
  for (const segment of segments) {
    const stem = segment.replace(/(?:\.(?:test|[cm]?[jt]sx?))+$/, '')
    if (vagueName.test(stem)) add('name', 1, `${segment} says nothing about what it holds`)
  }
  if (!codeFile.test(file)) return
  if (/^index\.[cm]?[jt]sx?$/.test(file)) add('name', 1, 'no barrels: name the file for what it holds')
  else if (!kebabName.test(file)) add('name', 1, 'file names are kebab-case and end in .ts or .mjs')
}

function checkCode(path: string, { code, computedImportLines }: Scan, add: Add): void {
  const find = (form: RegExp, rule: Rule, text: string): void => {
    for (const match of code.matchAll(form)) add(rule, lineAt(code, match.index), text)
  }
  if (!mayExit.test(path)) {
    find(exitForms, 'process.exit', 'throw; main.ts decides')
    find(hiddenForms, 'process.exit', 'name what you need of process')
  }
  if (!mayReadEnv.test(path)) {
    find(envForms, 'process.env', 'parts receive values; config.ts lists the settings')
    if (mayExit.test(path)) find(hiddenForms, 'process.env', 'name what you need of process')
  }
  if (!mayComputeImports.test(path)) {
    for (const line of computedImportLines) add('computed import', line, 'an import that cannot be read cannot be checked')
  }
  if (!mayExportDefault.test(path)) {
    find(/(?<![.\w$])export\s+default\b|\bexport\s*\{[^}]*\bas\s+default\b/g, 'default export', 'only handlers have one')
  }
}
