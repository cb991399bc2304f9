/**
 * Which Node, and how large a young generation: the same platform and function, started by Node 26 and by Node 24, with
 * `--max-semi-space-size=2` and without. Node 24 comes from npm into a temporary folder; where it cannot be had, the
 * comparison is left out and says so.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { compare, type Path } from '../compare.ts'
import { memoryOf } from '../measure.ts'
import { startPlatform } from '../platform.ts'
import { startServer } from '../server.ts'
import { megabytes, show, showSpread, showTable } from '../statistics.ts'
import { effort, type BenchContext } from './question.ts'

const OLDER_NODE = `node-${process.platform}-${process.arch}@24.21.0`
const FETCH_LIMIT_MS = 120_000
const SMALL_YOUNG = '--max-semi-space-size=2'

type Variant = { readonly name: string; readonly node: string; readonly nodeArgs: readonly string[] }

export async function nodeVersions(context: BenchContext): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-node-'))
  const running: AsyncDisposable[] = []
  try {
    const variants = await variantsOf(folder, context)
    const gateways: Path[] = []
    const floors: Path[] = []
    for (const { name, node, nodeArgs } of variants) {
      const platform = await startPlatform({ functionsDir: context.functionsDir, node, nodeArgs })
      running.push(platform)
      await platform.deploy({ service: 'small' })
      await platform.ready('small')
      const replica = platform.replicas('small')[0]
      if (replica === undefined) throw new Error('no process of small')
      const floor = await startServer('proxy-floor.ts', [replica.url], { node, nodeArgs })
      running.push(floor)
      gateways.push({ name, url: `${platform.url}/function/small`, proxyPid: platform.pid, functionPid: replica.pid })
      floors.push({ name, url: `${floor.url}/`, proxyPid: floor.pid, functionPid: replica.pid })
    }
    const { rounds, seconds } = effort(context, 5, 2)
    for (const [what, paths] of [['gateway', gateways], ['bare prototype', floors]] as const) {
      const results = await compare(paths, { load: { connections: 50, seconds }, rounds })
      context.print(showTable(`${what} under other Nodes, 22-byte answer, 50 connections`,
        ['', 'calls/s', 'p99 ms', 'proxy us/call', 'function us/call', 'RSS MB', 'anonymous MB'],
        results.map((result, index) => {
          const memory = memoryOf(paths[index]?.proxyPid ?? 0)
          return [result.name, showSpread(result.goodPerSecond, 0), showSpread(result.p99Ms, 1),
            showSpread(result.proxyUs, 1), show(result.functionUs.median, 1), megabytes(memory.rssBytes), megabytes(memory.anonBytes)]
        })))
    }
  } finally {
    for (const one of running.reverse()) await one[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  }
}

async function variantsOf(folder: string, context: BenchContext): Promise<Variant[]> {
  const nodes = [[process.version, process.execPath]]
  try {
    await promisify(execFile)('npm', ['install', '--prefix', folder, '--no-save', '--ignore-scripts', OLDER_NODE], {
      cwd: folder, timeout: FETCH_LIMIT_MS,
    })
    const older = join(folder, 'node_modules', OLDER_NODE.replace(/@.*/, ''), 'bin/node')
    nodes.push([(await promisify(execFile)(older, ['--version'])).stdout.trim(), older])
  } catch (error) {
    context.print(`${OLDER_NODE} cannot be had here, so there is no comparison with it: ${String(error).split('\n')[0]}\n`)
  }
  return nodes.flatMap(([version = '', node = '']) => [
    { name: `${version}, ${SMALL_YOUNG}`, node, nodeArgs: [SMALL_YOUNG] },
    { name: `${version}, default`, node, nodeArgs: [] },
  ])
}
