/**
 * One JSON line per event, short text on a terminal; warnings and errors on stderr. Inside a call every line carries the call's id, lines of
 * `console` too.
 */
import { builtin } from './builtin.ts'
import { callIdOf, currentCall } from './call.ts'
import { describeError, withSourceLines } from './stack.ts'

const { format } = builtin('node:util')

export type Fields = Readonly<Record<string, unknown>>
type Level = 'debug' | 'info' | 'warn' | 'error'

export type Log = {
  debug(message: string, fields?: Fields): void
  info(message: string, fields?: Fields): void
  warn(message: string, fields?: Fields): void
  error(message: string, fields?: Fields): void
}

export const log: Log = {
  debug: (message, fields) => write('debug', message, fields),
  info: (message, fields) => write('info', message, fields),
  warn: (message, fields) => write('warn', message, fields),
  error: (message, fields) => write('error', message, fields),
}

/** Turns what a handler prints into log lines. */
export function captureConsole(): void {
  const levels = { debug: 'debug', log: 'info', info: 'info', warn: 'warn', error: 'error', trace: 'debug' } as const
  for (const [method, level] of Object.entries(levels)) {
    Object.assign(console, { [method]: (...args: unknown[]) => write(level, withSourceLines(format(...args))) })
  }
}

function write(level: Level, message: string, fields: Fields = {}): void {
  const call = currentCall.getStore()
  const all = call === undefined ? fields : { callId: callIdOf(call), ...fields }
  const stream = level === 'warn' || level === 'error' ? process.stderr : process.stdout
  // A reader that went away must not end the function.
  if (stream.listenerCount('error') === 0) stream.on('error', () => undefined)
  stream.write(stream.isTTY ? asText(level, message, all) : asJson(level, message, all))
}

function asJson(level: Level, message: string, fields: Fields): string {
  const time = new Date().toISOString()
  try {
    return JSON.stringify({ time, level, message, ...fields }, printable) + '\n'
  } catch {
    // A circular field: everything as text.
    return JSON.stringify({ time, level, message: format(message, fields) }) + '\n'
  }
}

function asText(level: Level, message: string, fields: Fields): string {
  const pairs = Object.entries(fields).map(([key, value]) =>
    ` ${key}=${typeof value === 'string' ? value : value instanceof Error ? describeError(value) : format('%j', value)}`)
  return `${new Date().toISOString().slice(11, 19)} ${level.padEnd(5)} ${message}${pairs.join('')}\n`
}

function printable(_key: string, value: unknown): unknown {
  if (value instanceof Error) return describeError(value)
  return typeof value === 'bigint' ? value.toString() : value
}
