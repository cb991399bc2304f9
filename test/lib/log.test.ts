import * as assert from 'node:assert/strict'
import { createLog, type Level, type Log, type LogOptions } from '../../platform/lib/log.ts'
import { cases, test } from '../kit.ts'

const now = (): Date => new Date('2025-01-02T03:04:05.678Z')

test('an event is one JSON line with time, level, message and its fields', () => {
  const lines = record((log) => log.info('scaled', { function: 'echo', from: 1, to: 3 }))
  assert.deepEqual(lines, [
    '{"time":"2025-01-02T03:04:05.678Z","level":"info","message":"scaled","function":"echo","from":1,"to":3}\n',
  ])
})

test('each level has its name', () => {
  const lines = record((log) => {
    log.debug('a')
    log.info('b')
    log.warn('c')
    log.error('d')
  }, { level: 'debug' })
  assert.deepEqual(lines.map((line) => JSON.parse(line).level), ['debug', 'info', 'warn', 'error'])
})

const levels: readonly { name: string; level?: Level; count: number }[] = [
  { name: 'debug', level: 'debug', count: 4 },
  { name: 'info', level: 'info', count: 3 },
  { name: 'warn', level: 'warn', count: 2 },
  { name: 'error', level: 'error', count: 1 },
  { name: 'no level given, as info', count: 3 },
]

cases('what lies below the level is not written', levels, ({ level, count }) => {
  const lines = record((log) => {
    log.debug('a')
    log.info('b')
    log.warn('c')
    log.error('d')
  }, level ? { level } : {})
  assert.equal(lines.length, count)
})

test('a child adds its fields, and the nearest one wins', () => {
  const lines = record((log) => log.child({ part: 'gateway', function: 'a' }).child({ function: 'b' }).warn('x', { ms: 5 }))
  assert.deepEqual(JSON.parse(lines[0] ?? ''), {
    time: '2025-01-02T03:04:05.678Z', level: 'warn', message: 'x', part: 'gateway', function: 'b', ms: 5,
  })
})

cases('a field of any kind fits on the line', [
  { name: 'an error becomes its reason', value: new Error('refused'), written: 'refused' },
  { name: 'an error inside a list', value: [new Error('refused')], written: ['refused'] },
  { name: 'a big number', value: 2n ** 70n, written: '1180591620717411303424' },
  { name: 'a time', value: now(), written: '2025-01-02T03:04:05.678Z' },
  { name: 'a text with line ends', value: 'a\nb', written: 'a\nb' },
  { name: 'nothing', value: undefined, written: undefined },
], ({ value, written }) => {
  const [line = '', ...rest] = record((log) => log.info('x', { value }))
  assert.deepEqual(rest, [])
  assert.equal(line.indexOf('\n'), line.length - 1, 'one line')
  assert.deepEqual(JSON.parse(line).value, written)
})

test('on a terminal a line is short, and absent fields stay away', () => {
  const [line = ''] = record((log) => log.info('scaled', { function: 'echo', to: 3, why: undefined }), { isTerminal: true })
  assert.equal(line.replace(/\x1b\[[0-9;]*m/g, ''), '03:04:05 info  scaled function=echo to=3\n')
})

test('on a terminal a field from outside cannot send commands to it', () => {
  const [line = ''] = record((log) => log.info('called', { path: '/\x1b]0;owned\x07\r', more: ['\x9b2J'] }), { isTerminal: true })
  assert.doesNotMatch(line, /\x1b\]|\x07|\r|\x9b/)
  assert.match(line, /path=\/\\x1b\]0;owned\\x07\\x0d/)
})

function record(write: (log: Log) => void, options: Partial<LogOptions> = {}): string[] {
  const lines: string[] = []
  write(createLog({ write: (line) => lines.push(line), now, ...options }))
  return lines
}
