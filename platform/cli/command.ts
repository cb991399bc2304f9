/** What a command is, and how its words become values. */
import type { Writable } from 'node:stream'
import { parseArgs } from 'node:util'
import { BrambleError } from '../lib/errors.ts'
import { nearest } from '../stack/nearest.ts'

export type OptionSpec = {
  readonly type: 'string' | 'boolean'
  readonly short?: string
  /** May be given more than once. */
  readonly multiple?: true
  /** What stands for the value in the help: FILE, NAME. */
  readonly value?: string
  readonly meaning: string
}
export type OptionSpecs = Readonly<Record<string, OptionSpec>>

export type OptionValues<S extends OptionSpecs> = {
  readonly [K in keyof S]: S[K] extends { type: 'boolean' } ? boolean | undefined
    : S[K] extends { multiple: true } ? readonly string[] : string | undefined
}

/** The world of a command: nothing else of the process is touched. */
export type Io = {
  readonly cwd: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean }
  /** Data. */
  readonly stdout: Writable
  /** News for the person, and errors. */
  readonly stderr: Writable
  /** Fires with the first Ctrl-C, which from then on ends nothing by itself; a second one does. */
  readonly interrupted: () => AbortSignal
}

export type Invocation<S extends OptionSpecs> = {
  readonly options: OptionValues<S>
  readonly args: readonly string[]
  readonly io: Io
}

export type CommandDefinition<S extends OptionSpecs> = {
  readonly name: string
  /** What follows the name. */
  readonly usage: string
  readonly summary: string
  /** More lines for `--help`. */
  readonly details?: string
  readonly options: S
  /** Answers the exit code; 0 only when everything worked. */
  readonly run: (invocation: Invocation<S>) => Promise<number>
}

export type Command = Omit<CommandDefinition<OptionSpecs>, 'run'> & {
  readonly run: (words: readonly string[], io: Io) => Promise<number>
}

export function createCommand<const S extends OptionSpecs>(definition: CommandDefinition<S>): Command {
  return {
    ...definition,
    run: (words, io) => definition.run({ ...readWords(definition.name, definition.options, words), io }),
  }
}

/** `INVALID` for an option that is not known, lacks its value or has one it does not take. */
function readWords<S extends OptionSpecs>(
  command: string, specs: S, words: readonly string[],
): { readonly options: OptionValues<S>; readonly args: readonly string[] } {
  const hint = `see "bramble help ${command}"`
  const { tokens } = parseArgs({
    args: [...words], strict: false, tokens: true, allowPositionals: true,
    options: Object.fromEntries(Object.entries(specs).map(([name, { type, short }]) => [name, { type, ...(short ? { short } : {}) }])),
  })
  const values = new Map<string, string | boolean | string[]>(
    Object.entries(specs).filter(([, spec]) => spec.multiple).map(([name]) => [name, []]))
  const args: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') args.push(token.value)
    if (token.kind !== 'option') continue
    const spec = Object.hasOwn(specs, token.name) ? specs[token.name] : undefined
    if (!spec) {
      const meant = token.rawName.startsWith('--') ? nearest(token.name, Object.keys(specs)) : undefined
      throw new BrambleError('INVALID', `${command} has no option ${token.rawName}: ${meant ? `did you mean --${meant}?` : hint}`)
    }
    if (spec.type === 'boolean') {
      values.set(token.name, readFlag(token.rawName, token.value))
      continue
    }
    // `--name -x` is a forgotten value rather than a value; `--name=-x` and `--lines -1` are meant.
    if (token.value === undefined || (!token.inlineValue && /^-\D/.test(token.value))) {
      throw new BrambleError('INVALID', `option ${token.rawName} needs a value: ${token.rawName}${token.rawName.startsWith('--') ? '=' : ' '}${spec.value ?? 'VALUE'}`)
    }
    const list = values.get(token.name)
    if (Array.isArray(list)) list.push(token.value)
    else values.set(token.name, token.value)
  }
  return { options: Object.fromEntries(values) as OptionValues<S>, args }
}

function readFlag(name: string, value: string | undefined): boolean {
  if (value === undefined || value === 'true') return true
  if (value === 'false') return false
  throw new BrambleError('INVALID', `option ${name} is true or false, not "${value}"`)
}

/** The one name a command needs, or so many. `INVALID` tells how it is called. */
export function takeArguments(command: string, usage: string, args: readonly string[], least: number, most = least): readonly string[] {
  if (args.length >= least && args.length <= most) return args
  const wrong = args.length < least ? 'is missing something' : `does not know what to do with "${args[most]}"`
  throw new BrambleError('INVALID', `${command} ${wrong}: bramble ${command} ${usage}`)
}
