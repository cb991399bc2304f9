/**
 * Power loss, which is not `kill -9`: the disk forgets what was not synced. A run of operations is cut at each step
 * it takes on the disk; whatever was acknowledged must be there afterwards, and nothing may be half there.
 */
import * as assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdir, readFile, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { BrambleError } from '../../../platform/lib/errors.ts'
import { nodeFiles } from '../../../platform/lib/files.ts'
import { createLocalProvider } from '../../../platform/provider/local/provider.ts'
import { createStore } from '../../../platform/provider/local/store.ts'
import type { Provider } from '../../../platform/provider/provider.ts'
import { test } from '../../kit.ts'
import { writeBundle } from '../probe-function.ts'
import { refOf, specOf } from '../spec-of.ts'
import { keepLog, makeFolders, type Folders } from '../world.ts'
import { createForgetfulDisk, losses, type ForgetfulDisk, type Loss } from './forgetful-files.ts'

/** What is left is looked at once. */
const unsynced = { ...nodeFiles, sync: async () => undefined }

/** Everything durable, as one text: two are compared as a whole. */
type State = string

const asleep = { 'com.openfaas.scale.min': '0' }
const staging = { name: 'staging', labels: { openfaas: '1' }, annotations: {} }

/** Touches every kind of record, and makes, changes and removes each. `sleep` is a function that costs little to start. */
const operations: readonly ((provider: Provider, folders: Folders) => Promise<void>)[] = [
  (provider) => provider.namespaces.create(staging),
  (provider) => provider.secrets.create({ ...refOf('key', 'staging'), value: Buffer.from('one') }),
  async (provider, { functionsDir }) => {
    await writeBundle(functionsDir, 'probe', 'first')
    await provider.apply(specOf('probe', { namespace: 'staging', secrets: ['key'], labels: asleep }))
  },
  (provider) => provider.apply(specOf('sleeper', { image: 'probe', envProcess: 'sleep 100', labels: asleep })),
  (provider) => provider.scale(refOf('sleeper'), 2),
  (provider) => provider.secrets.update({ ...refOf('key', 'staging'), value: Buffer.from('two') }),
  async (provider, { functionsDir }) => {
    await writeBundle(functionsDir, 'probe', 'second')
    await provider.apply(specOf('probe', { namespace: 'staging', secrets: ['key'], labels: asleep, envVars: { a: '1' } }))
  },
  (provider) => provider.namespaces.update({ ...staging, annotations: { a: 'b' } }),
  (provider) => provider.remove(refOf('sleeper')),
  (provider) => provider.secrets.remove(refOf('key', 'staging')),
  (provider) => provider.namespaces.remove('staging'),
]

type Run = { readonly states: readonly State[]; readonly acknowledged: number; readonly steps: number }

/** Runs the operations until the disk dies; answers how many were acknowledged. */
async function run(folders: Folders, disk: ForgetfulDisk, cutAt: number, ignoresSync: (path: string) => boolean): Promise<Run> {
  const files = disk.files({ cutAt, ignoresSync })
  const provider = createLocalProvider({ ...depsOf(folders), files })
  const states: State[] = []
  let acknowledged = -1
  const work = (async () => {
    await provider.start()
    acknowledged = 0
    if (cutAt === Infinity) states.push(await stateOf(folders.dataDir))
    for (const operation of operations) {
      await operation(provider, folders)
      acknowledged++
      if (cutAt === Infinity) states.push(await stateOf(folders.dataDir))
    }
  })()
  await Promise.race([work, files.dead])
  await provider.stop()
  return { states, acknowledged, steps: files.steps.length }
}

/** The first violation found with these syncs left out; `undefined` when all is well. */
async function sweep(ignoresSync: (path: string, root: string) => boolean = () => false): Promise<string | undefined> {
  await using folders = await makeFolders()
  const whole = inside(folders, 'whole')
  await mkdir(join(folders.root, 'whole'))
  const { states, steps } = await run(whole, createForgetfulDisk(join(folders.root, 'whole')), Infinity, () => false)
  for (let cutAt = 1; cutAt <= steps; cutAt++) {
    const root = join(folders.root, `cut-${cutAt}`)
    await mkdir(root)
    const disk = createForgetfulDisk(root)
    const { acknowledged } = await run(inside(folders, `cut-${cutAt}`), disk, cutAt, (path) => ignoresSync(path, root))
    const allowed = acknowledged < 0 ? [states[0]] : [states[acknowledged], states[acknowledged + 1]]
    for (const loss of losses) {
      const found = await restart(folders, disk, loss)
      if (!allowed.includes(found)) {
        return `cut at step ${cutAt} with loss of ${loss}, ${acknowledged} acknowledged: ${found} instead of ${allowed.join(' or ')}`
      }
    }
    await rm(root, { recursive: true, force: true })
  }
  return undefined
}

/**
 * The same, but first only the process dies, and the next one starts on the same disk: what that one has read it
 * believes, tells, and acknowledges a repetition of; so a power cut must not take it away again.
 */
async function sweepAfterKill(ignoresSync: (path: string, root: string) => boolean = () => false): Promise<string | undefined> {
  await using folders = await makeFolders()
  for (let cutAt = 1; ; cutAt++) {
    const root = join(folders.root, `cut-${cutAt}`)
    await mkdir(root)
    const disk = createForgetfulDisk(root)
    const cut = inside(folders, `cut-${cutAt}`)
    const { acknowledged } = await run(cut, disk, cutAt, () => false)
    if (acknowledged === operations.length) return undefined
    const next = createLocalProvider({ ...depsOf(cut), files: disk.files({ ignoresSync: (path) => ignoresSync(path, root) }) })
    await next.start()
    // Refused when it had come through before the kill.
    await operations[Math.max(0, acknowledged)]?.(next, cut).catch((error: unknown) => {
      if (!(error instanceof BrambleError) || !['CONFLICT', 'NOT_FOUND'].includes(error.code)) throw error
    })
    await next.stop()
    const believed = await stateOf(cut.dataDir)
    const found = await restart(folders, disk, 'nothing')
    if (found !== believed) return `killed at step ${cutAt}: ${found} instead of ${believed}`
    await rm(root, { recursive: true, force: true })
  }
}

/** Power is back: the platform starts on what is left, and says what it has. */
async function restart(folders: Folders, disk: ForgetfulDisk, loss: Loss): Promise<State> {
  const root = join(folders.root, 'restarted')
  await mkdir(root)
  await disk.survivors(loss, root)
  const dataDir = join(root, 'data')
  const { log, lines } = keepLog()
  const provider = createLocalProvider({ ...depsOf({ ...folders, dataDir }), log, files: unsynced })
  try {
    await provider.start()
    await provider.stop()
    const broken = lines.filter(({ level }) => level === 'error').map((line) => JSON.stringify(line))
    return broken[0] ?? await stateOf(dataDir)
  } finally {
    await rm(root, { recursive: true, force: true })
  }
}

function inside(folders: Folders, name: string): Folders {
  return { ...folders, dataDir: join(folders.root, name, 'data') }
}

function depsOf({ dataDir, functionsDir }: Pick<Folders, 'dataDir' | 'functionsDir'>) {
  return { dataDir, functionsDir, gatewayUrl: () => '', log: keepLog().log }
}

/** Read with the store itself, as the next start would; bundles by what is in them. */
async function stateOf(dataDir: string): Promise<State> {
  const { log, lines } = keepLog()
  const store = createStore({ files: unsynced, dataDir, log })
  const functions = await Promise.all((await store.functions.load()).map(async ({ target, replicas }) => ({
    name: target.spec.name, env: target.spec.envVars, replicas, bundle: await contentOf(join(dataDir, 'bundles', target.bundle)),
  })))
  const secrets = (await store.secrets.load()).map(({ name, value }) => ({ name, value: Buffer.from(value).toString() }))
  const namespaces = await store.namespaces.load()
  const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : 1)
  return JSON.stringify({
    functions: functions.sort(byName), secrets: secrets.sort(byName), namespaces: namespaces.toSorted(byName),
    unreadable: lines.map(({ file }) => file),
  })
}

async function contentOf(folder: string): Promise<string> {
  const names = await readdir(folder).catch(() => [])
  const parts = await Promise.all(names.sort().map(async (name) => name + await readFile(join(folder, name), 'utf8')))
  return parts.length === 0 ? 'missing' : createHash('sha256').update(parts.join()).digest('hex').slice(0, 8)
}

test('whatever was acknowledged survives a power cut at any step, and nothing is half there', async () => {
  assert.equal(await sweep(), undefined)
}, { timeoutMs: 600_000 })

/** Each of these is one call of `sync`; without it the sweep must find a loss, or the call (or the test) is worth nothing. */
const syncs: readonly { readonly name: string; readonly is: (path: string, root: string) => boolean }[] = [
  { name: 'the content of a record', is: (path) => path.endsWith('.new') },
  { name: 'the folder of functions', is: (path) => path.endsWith('/functions') },
  { name: 'the folder of secrets', is: (path) => path.endsWith('/secrets') },
  { name: 'the folder of namespaces', is: (path) => path.endsWith('/namespaces') },
  { name: 'the folder of snapshots', is: (path) => path.endsWith('/bundles') },
  { name: 'the content of a file in a snapshot', is: (path) => path.endsWith('/index.mjs') },
  { name: 'the names in a snapshot', is: (path) => /\/\.new-[0-9a-f]+$/.test(path) },
  { name: 'the data folder', is: (path) => path.endsWith('/data') },
  { name: 'the folder above the data folder', is: (path, root) => path === root },
]
for (const { name, is } of syncs) {
  test(`leaving out the sync of ${name} is noticed`, async () => {
    assert.match(await sweep(is) ?? 'not noticed', /^cut at step/)
  }, { timeoutMs: 600_000 })
}

test('what a start finds after a kill survives a power cut', async () => {
  assert.equal(await sweepAfterKill(), undefined)
}, { timeoutMs: 600_000 })

for (const { name, is } of syncs.filter(({ name }) => name.includes('folder'))) {
  test(`a start that leaves out the sync of ${name} is noticed`, async () => {
    assert.match(await sweepAfterKill(is) ?? 'not noticed', /^killed at step/)
  }, { timeoutMs: 600_000 })
}
