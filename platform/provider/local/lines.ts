/** Bytes of an output stream into lines. */
import { StringDecoder } from 'node:string_decoder'

export type LineReader = {
  push(chunk: Buffer): void
  /** The last line may lack its end. */
  end(): void
}

/** A line longer than `maxChars` comes in pieces, so that memory stays bounded whatever is written. */
export function createLineReader(maxChars: number, onLine: (line: string) => void): LineReader {
  const decoder = new StringDecoder('utf8')
  let rest = ''

  const take = (text: string): void => {
    let from = 0
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', from)) {
      emit(rest + text.slice(from, end))
      rest = ''
      from = end + 1
    }
    rest += text.slice(from)
    if (rest.length > maxChars) {
      const whole = rest.length - (rest.length % maxChars)
      emit(rest.slice(0, whole))
      rest = rest.slice(whole)
    }
  }
  const emit = (line: string): void => {
    if (line.length <= maxChars) return onLine(line)
    for (let from = 0; from < line.length; from += maxChars) onLine(line.slice(from, from + maxChars))
  }

  return {
    push: (chunk) => take(decoder.write(chunk)),
    end() {
      take(decoder.end())
      if (rest !== '') emit(rest)
      rest = ''
    },
  }
}
