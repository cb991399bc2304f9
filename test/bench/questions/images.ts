/**
 * What images cost: bytes, time to make and to push, and what a container of ours needs beside one of a whole Debian. Needs
 * what test/image-host/install.sh installs, and root.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { BaseImage } from '../../../platform/image/base-image.ts'
import { makeFunctionImage } from '../../../platform/image/function-image.ts'
import { createLayout } from '../../../platform/image/layout.ts'
import { platformName } from '../../../platform/image/oci.ts'
import { pushImage } from '../../../platform/image/push.ts'
import { parseReference } from '../../../platform/image/reference.ts'
import { startContainerd } from '../../image-host/containerd.ts'
import { createImageProject, fixtures } from '../../image-host/image-project.ts'
import { hostPlatform, ownBases } from '../../image-host/own-bases.ts'
import { startRegistry } from '../../image-host/registry-server.ts'
import { amd64, arm64, openClient } from '../../image-host/sample-image.ts'
import { slimBase } from '../../image-host/slim-base.ts'
import { megabytes, show, showSpread, showTable, spreadOf } from '../statistics.ts'
import { effort, type BenchContext } from './question.ts'

const ROUNDS = 9
/** After `ready`, until what the start left behind has been collected. */
const IDLE_MS = 2_000
const MIB = 2 ** 20

export async function images(context: BenchContext): Promise<void> {
  await making(context)
  await running(context)
}

/** Commands as people type them, with the start of Node in it. */
async function making(context: BenchContext): Promise<void> {
  const { rounds } = effort(context, ROUNDS, 0)
  await using server = await startRegistry({ isTls: true, hasPassword: true })
  await using project = await createImageProject(server)
  await project.bramble('build')
  await project.bramble('push')
  const rows: string[][] = []
  for (const name of fixtures) {
    const together: Timed[] = []
    const again: Timed[] = []
    let sentAgain = 0
    for (let round = 1; round <= rounds; round++) {
      await project.change(name, round)
      const unchanged = transfers(server.requests())
      const [build, push] = [await project.timed('build', name), await project.timed('push', name)]
      together.push({ ms: build.ms + push.ms, cpuMs: build.cpuMs + push.cpuMs })
      const before = transfers(server.requests())
      if (before === unchanged) throw new Error(`${name} was changed, but nothing was sent`)
      again.push(await project.timed('push', name))
      sentAgain += transfers(server.requests()) - before
    }
    rows.push([name, show((await project.layerBytes(name)) / 1000, 1), ...[together, again].flatMap(shown), String(sentAgain)])
  }
  context.print(showTable(`a changed function into a registry with TLS on this machine, for both platforms, ${rounds} rounds`,
    ['', 'layer KB', 'build and push, ms', 'CPU ms', 'push again, ms', 'CPU ms', 'sent again'], rows))
}

type Timed = { readonly ms: number; readonly cpuMs: number }

function shown(times: readonly Timed[]): readonly string[] {
  return [showSpread(spreadOf(times.map(({ ms }) => ms)), 0), showSpread(spreadOf(times.map(({ cpuMs }) => cpuMs)), 0)]
}

/** Requests that give the registry something. */
function transfers(requests: readonly string[]): number {
  return requests.filter((one) => /^(?:POST|PATCH|PUT) /.test(one)).length
}

async function running(context: BenchContext): Promise<void> {
  const { rounds } = effort(context, ROUNDS, 0)
  const folder = await mkdtemp(join(tmpdir(), 'bramble-bench-images-'))
  try {
    await using server = await startRegistry({ isTls: true, hasPassword: true })
    await using registry = openClient(server.name, { authFile: server.authFile, ca: await readFile(server.caFile, 'utf8') })
    await using project = await createImageProject(server)
    await project.bramble('build', 'hello')
    const layout = createLayout(join(folder, 'layout'))
    const bases = await ownBases(layout, [amd64, arm64])
    const own = bases.find(({ platform }) => platform.architecture === hostPlatform.architecture)
    if (own === undefined) throw new Error(`there is no base for ${platformName(hostPlatform)}`)
    const slim = await slimBase(layout)
    context.print(showTable('bases, MB compressed', ['', 'MB'], [
      ...bases.map((base) => [`ours, ${platformName(base.platform)}`, sizeOf(base)]), [`a whole Debian, ${platformName(hostPlatform)}`, sizeOf(slim)],
    ]))

    await using containerd = await startContainerd()
    const choices: { name: string; image: string; pullMs: number; startMs: number[]; ownBytes: number[]; fileBytes: number[] }[] = []
    for (const [name, base] of [['ours', own], ['a whole Debian', slim]] as const) {
      const image = `${server.name}/hello:${choices.length}`
      const made = await makeFunctionImage({ layout, bases: [base], name: 'hello', folder: project.bundleOf('hello'), revision: { created: '1980-01-01T00:00:00Z' } })
      await pushImage({ layout, registry, image: made.image, reference: parseReference(image) })
      const began = performance.now()
      await containerd.pull(server, image, hostPlatform.architecture)
      choices.push({ name, image, pullMs: performance.now() - began, startMs: [], ownBytes: [], fileBytes: [] })
    }
    for (let round = 0; round < rounds; round++) {
      for (const choice of choices) {
        await using container = await containerd.run(choice.image)
        await delay(IDLE_MS)
        const memory = await memoryOf(container.pid)
        choice.startMs.push(container.startMs)
        choice.ownBytes.push(memory.ownBytes)
        choice.fileBytes.push(memory.fileBytes)
      }
    }
    context.print(showTable(`hello in a container, ${rounds} interleaved starts`, ['', 'pull and unpack, s', 'start to ready, ms', 'idle, its own MiB', 'idle, of files MiB'],
      choices.map(({ name, pullMs, startMs, ownBytes, fileBytes }) => [
        name, show(pullMs / 1000, 1), showSpread(spreadOf(startMs), 0), showSpread(spreadOf(ownBytes.map((bytes) => bytes / MIB)), 1),
        showSpread(spreadOf(fileBytes.map((bytes) => bytes / MIB)), 1),
      ])))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function sizeOf({ layers }: BaseImage): string {
  return megabytes(layers.reduce((sum, { size }) => sum + size, 0))
}

/** What is its own, and what it uses of files, which the kernel may drop and containers of one base share. */
async function memoryOf(pid: number): Promise<{ readonly ownBytes: number; readonly fileBytes: number }> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8')
  const bytesOf = (name: string): number => Number(new RegExp(`^${name}: +(\\d+) kB$`, 'm').exec(text)?.[1]) * 1024
  const ownBytes = bytesOf('Anonymous')
  return { ownBytes, fileBytes: bytesOf('Rss') - ownBytes }
}
