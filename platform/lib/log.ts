/** One JSON line per event; short text on a terminal. The message is constant, what varies goes into fields. */
import { reasonOf } from './errors.ts'

export type Level = 'debug' | 'info' | 'warn' | 'error'
export type Fields = Readonly<Record<string, unknown>>

export type Log = {
  debug(message: string, fields?: Fields): void
  info(message: string, fields?: Fields): void
  warn(message: string, fields?: Fields): void
  error(message: string, fields?: Fields): void
  /** A log that adds these fields to every line. */
  child(fields: Fields): Log
}

export type LogOptions = {
  write: (line: string) => void
  now?: () => Date
  level?: Level
  /** Text for people instead of JSON for machines. */
  isTerminal?: boolean
}

const levels: readonly Level[] = ['debug', 'info', 'warn', 'error']
/** What could steer a terminal, in a path from outside for example; tabs and line ends may stay. */
const control = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g
const colours: Record<Level, string> = { debug: '\x1b[2m', info: '\x1b[36m', warn: '\x1b[33m', error: '\x1b[31m' }

export function createLog(options: LogOptions): Log {
  const { write, now = () => new Date(), isTerminal = false } = options
  const lowest = levels.indexOf(options.level ?? 'info')

  const make = (base: Fields): Log => {
    const emit = (level: Level, message: string, fields: Fields = {}): void => {
      if (levels.indexOf(level) < lowest) return
      const all = { ...base, ...fields }
      write(isTerminal ? asText(level, message, all, now()) : asJson(level, message, all, now()))
    }
    return {
      debug: (message, fields) => emit('debug', message, fields),
      info: (message, fields) => emit('info', message, fields),
      warn: (message, fields) => emit('warn', message, fields),
      error: (message, fields) => emit('error', message, fields),
      child: (fields) => make({ ...base, ...fields }),
    }
  }
  return make({})
}

function asJson(level: Level, message: string, fields: Fields, time: Date): string {
  return JSON.stringify({ time: time.toISOString(), level, message, ...fields }, printable) + '\n'
}

function asText(level: Level, message: string, fields: Fields, time: Date): string {
  const pairs = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}=${typeof value === 'string' ? value : JSON.stringify(value, printable)}`)
    .map((pair) => pair.replace(control, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`))
  const clock = time.toISOString().slice(11, 19)
  return `${clock} ${colours[level]}${level.padEnd(5)}\x1b[0m ${message}\x1b[2m${pairs.join('')}\x1b[0m\n`
}

function printable(_key: string, value: unknown): unknown {
  if (value instanceof Error) return reasonOf(value)
  return typeof value === 'bigint' ? value.toString() : value
}
