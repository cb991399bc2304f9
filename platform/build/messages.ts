/** What a bundler complains about, in one line each: `FILE:LINE:COLUMN: what is wrong: what to do`. */
import { BrambleError, reasonOf } from '../lib/errors.ts'

export type BundlerMessage = {
  readonly text: string
  /** Lines count from 1, columns from 0. */
  readonly location: { readonly file: string; readonly line: number; readonly column: number } | null
}

export type BuildPlace = {
  readonly function: string
  /** The handler folder, as it is shown to people. */
  readonly folder: string
  /** The file that stands for the bundle's entry, which nobody wrote. */
  readonly entry: string
  /** `FILE:LINE:COLUMN` where the handler is passed on from another file, if it is. */
  readonly passedOn?: string | undefined
}

/** The first errors cause the others. */
const MAX_MESSAGES = 5

/** Several lines, one for each thing that is wrong. */
class BuildError extends BrambleError {
  readonly messages: readonly string[]

  constructor(messages: readonly string[], cause: unknown) {
    super('INVALID', messages.join('\n'), { cause })
    this.messages = messages
  }
}

/** A failure of esbuild in words; any other error as it is. */
export function buildError(error: unknown, place?: BuildPlace): unknown {
  return isBundlerFailure(error) ? new BuildError(buildMessages(error.errors, place), error) : error
}

/** What a failed build says, whatever failed. */
export function messagesOf(error: unknown): readonly string[] {
  return error instanceof BuildError ? error.messages : [reasonOf(error)]
}

function isBundlerFailure(error: unknown): error is { readonly errors: readonly BundlerMessage[] } {
  return error instanceof Error && 'errors' in error && Array.isArray(error.errors)
}

export function buildMessages(messages: readonly BundlerMessage[], place: BuildPlace | undefined): string[] {
  const lines = [...new Set(messages.map((message) => inWords(message, place)))]
  const more = lines.length - MAX_MESSAGES
  return more > 0 ? [...lines.slice(0, MAX_MESSAGES), `and ${more} more`] : lines
}

function inWords({ text, location }: BundlerMessage, place: BuildPlace | undefined): string {
  const at = location ? `${location.file}:${location.line}:${location.column + 1}: ` : ''
  const [, missing] = /^Could not resolve "([^"]+)"/.exec(text) ?? []
  if (missing?.startsWith('.') || missing?.startsWith('/')) {
    return `${at}there is no file ${missing}: correct the path (with its ending, as in "./name.ts")`
  }
  if (missing && place) {
    const name = missing.split('/').slice(0, missing.startsWith('@') ? 2 : 1).join('/')
    return `${at}package ${name} is not installed: run "npm install ${name}" in ${place.folder}`
  }
  const [, file, wanted] = /^No matching export in "([^"]+)" for import "([^"]+)"/.exec(text) ?? []
  if (file && place?.passedOn && location?.file.endsWith(place.entry)) {
    return `${place.passedOn}: ${file} exports no "${wanted}" that could be the handler of function ${place.function}: a type is none`
  }
  if (file && wanted === 'default' && place && location?.file.endsWith(place.entry)) {
    return `${file}:1:1: the handler of function ${place.function} is not exported: write "export default" before it`
  }
  if (file) return `${at}${file} exports no "${wanted}": if it is a type, write "import type { ${wanted} }"`
  if (text.startsWith('No loader is configured for ".node"')) {
    return `${at}a native add-on cannot be bundled: use a package without one`
  }
  return at + text.charAt(0).toLowerCase() + text.slice(1)
}
