/** How far something long has come: a line that is redrawn on a terminal, a single line elsewhere. */
import type { Io } from './command.ts'
import { tell } from './terminal.ts'

export type Meter = {
  show(what: string, doneBytes: number, totalBytes: number): void
  /** Leaves the terminal clean. */
  end(): void
}

/** A person sees no more, and a slow terminal keeps up. */
const REDRAW_MS = 100
const BAR_WIDTH = 20

export function createMeter(io: Io): Meter {
  const isTerminal = 'isTTY' in io.stderr && io.stderr.isTTY === true && io.env['TERM'] !== 'dumb'
  const told = new Set<string>()
  let drawnAt = 0

  return {
    show(what, doneBytes, totalBytes) {
      if (!isTerminal) {
        if (!told.has(what)) tell(io, `${what} (${sizeText(totalBytes)})`)
        told.add(what)
        return
      }
      if (performance.now() - drawnAt < REDRAW_MS && doneBytes < totalBytes) return
      drawnAt = performance.now()
      const part = totalBytes === 0 ? 1 : Math.min(1, doneBytes / totalBytes)
      const filled = Math.round(part * BAR_WIDTH)
      io.stderr.write(`\r\x1b[K${what} ${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)} ${sizeText(doneBytes)} of ${sizeText(totalBytes)}`)
    },
    end() {
      if (drawnAt > 0) io.stderr.write('\r\x1b[K')
      drawnAt = 0
    },
  }
}

/** `812 B`, `21.3 KB`, `33.1 MB`. */
export function sizeText(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`
  return bytes < 1_000_000 ? `${(bytes / 1_000).toFixed(1)} KB` : `${(bytes / 1_000_000).toFixed(1)} MB`
}
