/** A project of its own in a temporary folder, and build.mjs run in it as a real process. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { eventually } from '../kit.ts'

export const ROOT = join(import.meta.dirname, '..', '..')
export const BUILD = join(ROOT, 'build.mjs')

export type Files = Readonly<Record<string, string>>
export type Run = { readonly code: number | null; readonly stdout: string; readonly stderr: string }
export type Event = Readonly<Record<string, unknown>> & { readonly event: string }

export type Project = AsyncDisposable & {
  readonly folder: string
  write(files: Files): Promise<void>
  read(path: string): Promise<string>
  build(...args: string[]): Promise<Run>
}

/** A link in `files` to the packages of this repository: `linkPackages` names the folder that gets `node_modules`. */
export async function createProject(files: Files, options: { readonly linkPackages?: string } = {}): Promise<Project> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'bramble-build-')))
  const write = async (more: Files): Promise<void> => {
    for (const [path, text] of Object.entries(more)) {
      await mkdir(dirname(join(folder, path)), { recursive: true })
      await writeFile(join(folder, path), text)
    }
  }
  await write(files)
  if (options.linkPackages !== undefined) await symlink(join(ROOT, 'node_modules'), join(folder, options.linkPackages, 'node_modules'))
  return {
    folder,
    write,
    read: (path) => readFile(join(folder, path), 'utf8'),
    build: (...args) => run(process.execPath, [BUILD, ...args], folder),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}

export async function run(program: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv = {}): Promise<Run> {
  const { functions_dir: _, ...inherited } = process.env
  const child = spawn(program, args, { cwd, env: { ...inherited, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => { stdout += chunk })
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => { stderr += chunk })
  const [code] = await once(child, 'close')
  return { code, stdout, stderr }
}

export type Watch = AsyncDisposable & {
  readonly child: ChildProcessWithoutNullStreams
  /** All events since `mark`, once one of them is `done` and nothing of `wanted` is missing. */
  until(what: string, wanted: (events: readonly Event[]) => boolean): Promise<readonly Event[]>
  /** Forgets what was told so far. */
  mark(): void
}

/** build.mjs --watch; answers when it watches. */
export async function startWatch(project: Project, ...args: string[]): Promise<Watch> {
  const watch = launchWatch(project, ...args)
  await watch.until('the watch begins', (all) => all.some(({ event }) => event === 'watching'))
  return watch
}

/** The same without waiting. */
export function launchWatch(project: Project, ...args: string[]): Watch {
  const child = spawn(process.execPath, [BUILD, '--json', '--watch', ...args], { cwd: project.folder })
  let events: Event[] = []
  createInterface({ input: child.stdout }).on('line', (line) => events.push(JSON.parse(line)))
  child.stderr.resume()
  const until: Watch['until'] = async (what, wanted) => {
    await eventually(what, () => wanted(events))
    return events
  }
  return {
    child,
    until,
    mark: () => { events = [] },
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null) return
      const closed = once(child, 'close')
      child.kill('SIGKILL')
      await closed
    },
  }
}

/** A stack file of functions in folders of their own names. */
export function stackOf(...names: string[]): string {
  return 'version: 1.0\nprovider:\n  name: openfaas\nfunctions:\n' +
    names.map((name) => `  ${name}:\n    lang: node-ts\n    handler: ./${name}\n    image: test/${name}:1\n`).join('')
}
