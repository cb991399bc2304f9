/** How much one push may hold. Its bytes are bounded already; millions of empty parts in them would hold up everybody else. Pure. */
import { fieldsOfMessage, type ProtoField } from './protobuf.ts'

/** What a packed push may become, as a multiple of `max_push_size`. */
export const UNPACKED_FACTOR = 2
/** Lines, streams, and whatever else comes in a row. */
const MAX_LINES = 20_000
/** Streams, records, labels: more than twenty for each of so many lines. */
const MAX_PARTS = 500_000
/** Characters of all lines, with the labels that each has of its stream: one stream with large labels and many lines is small as it is sent. */
const MAX_TEXT_LENGTH = 32 * 2 ** 20
const [QUOTE, BACKSLASH, BRACE, BRACKET] = [0x22, 0x5c, 0x7b, 0x5b]

/** A push that is no longer read on. */
export class PushTooLarge extends RangeError {
  override name = 'PushTooLarge'
}

export function checkLines(count: number): void {
  if (count > MAX_LINES) throw new PushTooLarge(`one push may have ${MAX_LINES} lines, and no more streams or records than that`)
}

/** To be called for each part. */
export function createPartCounter(): () => void {
  let count = 0
  return () => {
    if (++count > MAX_PARTS) throw new PushTooLarge(`one push may have ${MAX_PARTS} parts: streams, lines, labels`)
  }
}

/** The fields of all messages of one push, counted as its parts. */
export function createFieldReader(): (message: Buffer) => Generator<ProtoField> {
  const count = createPartCounter()
  return function* (message) {
    for (const field of fieldsOfMessage(message)) {
      count()
      yield field
    }
  }
}

/** To be called before a line is made, with how long it is to be. */
export function createTextCounter(): (length: number) => void {
  let sum = 0
  return (length) => {
    if ((sum += length) > MAX_TEXT_LENGTH) throw new PushTooLarge(`the lines of one push, each with its labels, may have ${MAX_TEXT_LENGTH} characters`)
  }
}

/** Of JSON, before it is parsed: millions of empty parts are a few bytes as they are sent, and hundreds of megabytes when they are made. */
export function checkJson(text: string): void {
  const count = createPartCounter()
  let isInString = false
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) isInString = !isInString
    else if (isInString) at += Number(code === BACKSLASH)
    else if (code === BRACE || code === BRACKET) count()
  }
}

/** Of JSON, before its form is looked at. */
export function checkParts(body: unknown): void {
  const count = createPartCounter()
  const open: unknown[] = [body]
  while (open.length > 0) {
    const value = open.pop()
    if (typeof value !== 'object' || value === null) continue
    count()
    if (Array.isArray(value)) checkLines(value.length)
    for (const part of Object.values(value)) open.push(part)
  }
}
