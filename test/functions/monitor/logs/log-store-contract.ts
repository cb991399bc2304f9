/** What every store of lines must do. */
import * as assert from 'node:assert/strict'
import { cases, test } from '../../../kit.ts'
import type { FoundLine, Line } from '../../../../functions/monitor/logs/line.ts'
import { type LogFilter, matches } from '../../../../functions/monitor/logs/log-filter.ts'
import type { LogStore } from '../../../../functions/monitor/logs/log-store.ts'

export const ALL: LogFilter = { functions: [], minLevel: 0, call: undefined, text: undefined, fields: [], sinceMs: -Infinity, untilMs: Infinity }
const signal = new AbortController().signal
const T0 = Date.parse('2026-01-02T03:04:05Z')

export type OpenStore = AsyncDisposable & { readonly store: LogStore }

export function lineAt(i: number, more: Partial<Line> = {}): Line {
  const level = i % 5
  return {
    timeMs: T0 + Math.floor(i / 3) * 10 - (i % 7 === 0 ? 15 : 0), functionName: `f${i % 3}`, namespace: i % 11 === 0 ? 'other' : 'openfaas-fn', instance: `r${i % 2}`, level, nth: 0,
    text: i % 4 === 0 ? `plain ${i} größe` : JSON.stringify({ level: ['', 'debug', 'info', 'warn', 'error'][level], message: `line ${i}`, callId: `call-${i % 20}`, n: i, word: `w${i % 6}` }),
    ...more,
  }
}

export const find = (store: LogStore, filter: Partial<LogFilter>, order: 'asc' | 'desc' = 'asc', limit = 10_000, after?: FoundLine): Promise<readonly FoundLine[]> =>
  store.find({ filter: { ...ALL, ...filter }, order, limit, after: after && { timeMs: after.line.timeMs, position: after.position }, signal })

export function logStoreContract(name: string, openStore: () => Promise<OpenStore>): void {
  const filled = async (count: number): Promise<OpenStore & { readonly lines: readonly Line[] }> => {
    const open = await openStore()
    const lines = Array.from({ length: count }, (_, i) => lineAt(i))
    for (let i = 0; i < count; i += 37) await open.store.append(lines.slice(i, i + 37))
    return { ...open, lines }
  }
  const textsOf = (found: readonly FoundLine[]): readonly string[] => found.map(({ line }) => line.text)

  cases(`${name}: a search finds what looking at every line would find`, [
    { name: 'all', filter: {} },
    { name: 'functions', filter: { functions: ['f1', 'f2.other'] } },
    { name: 'level', filter: { minLevel: 3 } },
    { name: 'call', filter: { call: 'call-7' } },
    { name: 'a call there is not', filter: { call: 'call-99' } },
    { name: 'text', filter: { text: '1 größe' } },
    { name: 'text that begins in one line and ends in the next', filter: { text: 'größe{"level"' } },
    { name: 'fields', filter: { fields: [['word', 'w3'], ['level', 'warn']] as const } },
    { name: 'time', filter: { sinceMs: T0 + 100, untilMs: T0 + 400 } },
  ], async ({ filter }) => {
    await using open = await filled(400)
    const wanted = open.lines.filter((line) => matches({ ...ALL, ...filter }, line))
    const found = await find(open.store, filter)
    assert.deepEqual(textsOf(found).toSorted(), wanted.map(({ text }) => text).toSorted())
    const times = found.map(({ line }) => line.timeMs)
    assert.deepEqual(times, times.toSorted((a, b) => a - b))
    assert.deepEqual(await find(open.store, filter, 'desc'), found.toReversed())
  })

  test(`${name}: pages put together are the whole, in both orders`, async () => {
    await using open = await filled(200)
    for (const order of ['asc', 'desc'] as const) {
      const pages: FoundLine[] = []
      for (let page = await find(open.store, { minLevel: 1 }, order, 7); page.length > 0; page = await find(open.store, { minLevel: 1 }, order, 7, page.at(-1))) pages.push(...page)
      assert.deepEqual(pages, await find(open.store, { minLevel: 1 }, order))
    }
  })

  test(`${name}: a key keeps its lines once, also when both come at once`, async () => {
    await using open = await openStore()
    const answers = await Promise.all([open.store.append([lineAt(1)], 'k'), open.store.append([lineAt(1)], 'k'), open.store.append([lineAt(2)], 'other')])
    assert.deepEqual(answers.toSorted(), ['kept', 'kept', 'known'])
    assert.equal((await find(open.store, {})).length, 2)
  })

  test(`${name}: who follows gets every line with its place, and what was missed before`, async () => {
    await using open = await openStore()
    const seen: FoundLine[] = []
    const unfollow = open.store.follow((lines) => seen.push(...lines))
    for (let i = 0; i < 100; i += 10) await open.store.append(Array.from({ length: 10 }, (_, j) => lineAt(i + j)))
    unfollow()
    const [middle] = seen.slice(49)
    assert.equal(seen.length, 100)
    assert.ok(middle)
    const missed = await open.store.since(middle.position, ALL, 1000, signal)
    assert.deepEqual(missed.map(({ position }) => position), seen.slice(50).map(({ position }) => position))
    assert.deepEqual((await open.store.since(middle.position, ALL, 5, signal)).map(({ line }) => line.text), textsOf(seen.slice(-5)))
  })

  test(`${name}: it knows how far each replica has been read; pushed lines do not count`, async () => {
    await using open = await openStore()
    await open.store.append([lineAt(0, { nth: 1, timeMs: 5, instance: 'a' }), lineAt(0, { nth: 2, timeMs: 5, instance: 'a' }), lineAt(0, { timeMs: 9, instance: 'a' }), lineAt(0, { nth: 1, timeMs: 7, instance: 'b' })])
    assert.deepEqual([...open.store.cursors('f0', 'other')].toSorted(), [['a', { timeMs: 5, nth: 2 }], ['b', { timeMs: 7, nth: 1 }]])
    assert.equal(open.store.cursors('f0', 'nowhere').size, 0)
  })
}
