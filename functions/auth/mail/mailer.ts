/** The port through which letters leave. */
import type { Letter } from './letters.ts'

export type Mailer = {
  /** Resolves when the letter is taken over by the next station; rejects when it must be tried again. May deliver twice. */
  send(letter: Letter): Promise<void>
}
