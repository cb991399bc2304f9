/** Builds again what a change touches: a function's own sources, wherever they lie, and all when the stack file changes. */
import { readdir } from 'node:fs/promises'
import { dirname, join, resolve, sep } from 'node:path'
import type { StackFunction } from '../stack/parse-stack.ts'
import { resolveInStack, type StackFile } from '../stack/read-stack.ts'
import { countBroken, type FunctionBuild, type FunctionBuilder, isTouched } from './functions.ts'
import { messagesOf } from './messages.ts'
import type { Output } from './output.ts'
import { elapsedMs, type Report } from './report.ts'
import { createSourceWatch } from './source-watch.ts'

/** A stack file and the functions of it that are built. */
export type SelectedStack = StackFile & { readonly selected: readonly StackFunction[] }

export type WatchDeps = {
  readonly stack: SelectedStack
  /** Of the stack as it is. */
  readonly builds: readonly FunctionBuild[]
  /** When the first of them began to read its sources; what has changed since then is built again. */
  readonly builtAt: Date
  readonly loadStack: () => Promise<SelectedStack>
  readonly builder: FunctionBuilder
  readonly output: Output
  readonly report: Report
}

/** Resolves when it watches. */
export async function watchForChanges({ loadStack, builder, output, report, ...first }: WatchDeps): Promise<void> {
  let { stack, builds, builtAt } = first
  const settings = (): string[] =>
    [stack.path, ...stack.selected.flatMap((one) => one.environmentFiles.map((file) => resolveInStack(stack, file)))]

  const update = async (paths: ReadonlySet<string>): Promise<void> => {
    const began = performance.now()
    builtAt = new Date()
    const isNewStack = settings().some((path) => paths.has(path))
    if (isNewStack) {
      stack = await loadStack()
      report({ event: 'stack' })
    }
    const kept = isNewStack ? [] : builds.filter((build) => !isTouched(build, paths))
    const due = stack.selected.filter((one) => !kept.some((build) => build.one.name === one.name))
    const made = await builder.build(stack, due)
    builds = [...kept, ...made]
    report({ event: 'done', failed: countBroken(made), ms: elapsedMs(began) })
  }
  const follow = async (): Promise<void> => {
    const sources = builds.flatMap(({ inputs }) => [...inputs]).filter((path) => !path.includes(`${sep}node_modules${sep}`))
    const files = new Set([...settings(), ...sources])
    const folders = new Set([...files].map(dirname))
    for (const { folder, one } of builds) {
      if (folder === undefined) folders.add(resolve(stack.folder, one.handler ?? '.', '..'))
      else for await (const below of foldersBelow(folder)) folders.add(below)
    }
    await watched.follow({ folders, files, since: builtAt })
  }
  const watched = createSourceWatch(async (paths) => {
    const sources = new Set([...paths].filter((path) => !output.owns(path)))
    if (sources.size === 0) return
    await update(sources).catch((error: unknown) => report({ event: 'failed', messages: messagesOf(error) }))
    await output.cleanUp()
    await follow()
  })

  await follow()
  report({ event: 'watching' })
}

async function* foldersBelow(folder: string): AsyncGenerator<string> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => undefined)
  if (!entries) return
  yield folder
  for (const entry of entries) {
    if (entry.isDirectory() && entry.name !== 'node_modules' && !entry.name.startsWith('.')) yield* foldersBelow(join(folder, entry.name))
  }
}
