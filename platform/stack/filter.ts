/** `--filter GLOB` and `--regex PATTERN`: which functions of a stack a command is about. */
import { BrambleError } from '../lib/errors.ts'
import { nearest } from './nearest.ts'

export type Selection = {
  /** `*` stands for any text; the whole name must match. */
  readonly filter?: string | undefined
  /** Matches anywhere in the name. */
  readonly regex?: string | undefined
  /** Exactly these; empty means all. */
  readonly names?: readonly string[] | undefined
}

/** `INVALID` when nothing is selected, a name is unknown, or the pattern is none. */
export function selectFunctions<T extends { readonly name: string }>(all: readonly T[], selection: Selection): readonly T[] {
  const { filter, regex, names = [] } = selection
  if (filter && regex) throw new BrambleError('INVALID', 'use --filter or --regex, not both')
  for (const name of names) {
    if (all.some((one) => one.name === name)) continue
    const meant = nearest(name, all.map((one) => one.name))
    throw new BrambleError('INVALID', `there is no function "${name}" in the stack file` +
      (meant ? `: did you mean "${meant}"?` : `; it has: ${all.map((one) => one.name).join(', ') || 'none'}`))
  }
  const pattern = filter ? globPattern(filter) : regex ? regexPattern(regex) : undefined
  const selected = all.filter(({ name }) => (names.length === 0 || names.includes(name)) && (!pattern || pattern.test(name)))
  if (pattern && selected.length === 0) {
    throw new BrambleError('INVALID', `no function in the stack file matches ${filter ? `--filter "${filter}"` : `--regex "${regex}"`}`)
  }
  return selected
}

function globPattern(glob: string): RegExp {
  return new RegExp(`^${glob.split('*').map((part) => RegExp.escape(part)).join('.*')}$`, 's')
}

function regexPattern(text: string): RegExp {
  try {
    return new RegExp(text, 'u')
  } catch (cause) {
    throw new BrambleError('INVALID', `--regex "${text}" is not a regular expression`, { cause })
  }
}
