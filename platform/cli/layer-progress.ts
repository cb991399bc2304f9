/** The layers of a push: lines that are redrawn on a terminal while they are sent, and one line for each that is done. */
import type { PushProgress } from '../image/push.ts'
import type { Io } from './command.ts'
import { sizeText } from './meter.ts'
import { paint, tell } from './terminal.ts'

export type LayerProgress = {
  show(progress: PushProgress): void
  /** A line that stays, above what is redrawn. */
  note(line: string): void
  /** Leaves the terminal clean. */
  end(): void
}

/** A person sees no more, and a slow terminal keeps up. */
const REDRAW_MS = 100
const BAR_WIDTH = 20
/** As Docker shows digests. */
const SHOWN_DIGITS = 12
const DEFAULT_COLUMNS = 80
const results = { sent: 'sent', mounted: 'is in the registry, linked', present: 'is there already' } as const

export function createLayerProgress(io: Io): LayerProgress {
  const isTerminal = 'isTTY' in io.stderr && io.stderr.isTTY === true && io.env['TERM'] !== 'dumb'
  const active = new Map<string, string>()
  let drawn = 0
  let drawnAt = 0

  const erase = (): void => {
    if (drawn > 0) io.stderr.write(`\x1b[${drawn}A\x1b[J`)
    drawn = 0
  }
  const draw = (): void => {
    erase()
    const columns = 'columns' in io.stderr && typeof io.stderr.columns === 'number' ? io.stderr.columns : DEFAULT_COLUMNS
    for (const line of active.values()) io.stderr.write(`${line.slice(0, columns - 1)}\n`)
    drawn = active.size
    drawnAt = performance.now()
  }

  const note = (line: string): void => {
    if (isTerminal) erase()
    tell(io, line)
    if (isTerminal) draw()
  }

  return {
    note,
    show({ blob, state, sentBytes }) {
      // A configuration is a few hundred bytes: it is part of the image, and no news.
      if (blob.kind !== 'layer') return
      const name = `  layer ${blob.digest.slice('sha256:'.length).slice(0, SHOWN_DIGITS)} ${blob.platforms.join(', ')}`
      if (state === 'sending') {
        active.set(blob.digest, `${name} ${bar(blob.size === 0 ? 1 : sentBytes / blob.size)} ${sizeText(sentBytes)} of ${sizeText(blob.size)}`)
        if (isTerminal && performance.now() - drawnAt >= REDRAW_MS) draw()
        return
      }
      if (state === 'resumed') return note(`${name} ${paint(io, 'yellow', `was cut, goes on at ${sizeText(sentBytes)} of ${sizeText(blob.size)}`)}`)
      active.delete(blob.digest)
      note(`${name} ${sizeText(blob.size)} ${paint(io, state === 'sent' ? 'green' : 'dim', results[state])}`)
    },
    end() {
      active.clear()
      if (isTerminal) erase()
    },
  }
}

function bar(part: number): string {
  const filled = Math.round(Math.min(1, part) * BAR_WIDTH)
  return '█'.repeat(filled) + '░'.repeat(BAR_WIDTH - filled)
}
