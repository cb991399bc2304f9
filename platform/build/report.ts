/** What a build says: lines for people, or one JSON object per event for the `bramble` command. */

export type BuildEvent =
  | { readonly event: 'function'; readonly function: string; readonly ms: number } & Built
  | { readonly event: 'program'; readonly file: string; readonly bytes: number; readonly ms: number }
  | { readonly event: 'skipped'; readonly function: string }
  | { readonly event: 'warning' | 'failed'; readonly function?: string; readonly messages: readonly string[] }
  /** The stack file was read again. */
  | { readonly event: 'stack' }
  | { readonly event: 'watching' }
  | { readonly event: 'done'; readonly failed: number; readonly ms: number }

/** A bundle has a size, a copied folder so many files. */
export type Built = { readonly isChanged: boolean } & ({ readonly bytes: number } | { readonly files: number })

export type Report = (event: BuildEvent) => void

export function createReport({ isJson, isWatching }: { readonly isJson: boolean; readonly isWatching: boolean }): Report {
  if (isJson) return (event) => void process.stdout.write(`${JSON.stringify(event)}\n`)
  return (event) => {
    switch (event.event) {
      case 'function':
        return console.log(`${event.function.padEnd(20)} ${sizeOf(event).padStart(9)} ${String(event.ms).padStart(5)} ms${event.isChanged ? '' : '  unchanged'}`)
      case 'program': return console.log(`${event.file.padEnd(20)} ${sizeOf(event).padStart(9)} ${String(event.ms).padStart(5)} ms`)
      case 'skipped': return console.log(`${event.function.padEnd(20)}   nothing to build`)
      case 'warning': return console.error(`warning: ${event.messages.join('\n')}`)
      case 'failed': return console.error(event.messages.join('\n'))
      case 'watching': return console.log('watching for changes, Ctrl-C ends')
      case 'done': return isWatching ? undefined : console.log(`done in ${event.ms} ms${event.failed ? `, ${event.failed} failed` : ''}`)
    }
  }
}

/** Since a time of `performance.now()`, in whole milliseconds. */
export function elapsedMs(since: number): number {
  return Math.round(performance.now() - since)
}

function sizeOf(event: { readonly bytes: number } | { readonly files: number }): string {
  if ('bytes' in event) return `${(event.bytes / 1000).toFixed(1)} KB`
  return `${event.files} file${event.files === 1 ? '' : 's'}`
}
