/**
 * Power loss, which is not `kill -9`: a run of operations is cut at each step it takes on the disk; whatever was
 * acknowledged must be there afterwards, nothing finished may come back, and nothing may be half there.
 */
import * as assert from 'node:assert/strict'
import { createStore, type Store, type StoredMessage } from '../../../platform/queue/embedded/store.ts'
import type { Outcome } from '../../../platform/queue/queue.ts'
import { test } from '../../kit.ts'
import { createForgetfulDisk, losses, type ForgetfulDisk, type IgnoresSync, type Step, type View } from './forgetful-log-files.ts'

const FOLDER = '/data/queue'
/** A record or two each, so that a short run fills many and gives many back. */
const SEGMENT_BYTES = 700

const call = (callId: string, more: Partial<StoredMessage> = {}): StoredMessage => ({
  head: { kind: 'call', ref: { name: 'f', namespace: 'n' }, callId, method: 'POST', path: '', headers: [] }, body: Buffer.from(`body ${callId}`), delayMs: 0, ...more,
})
const callback = (callId: string): StoredMessage => ({
  head: { kind: 'callback', ref: { name: 'f', namespace: 'n' }, callId, url: 'http://example.com', headers: [] }, body: Buffer.from('answer'), delayMs: 0,
})

type Operation = { readonly run: (machine: Machine) => void; /** All of it survives, or nothing. */ readonly isWhole: boolean }

const enqueue = (...messages: StoredMessage[]): Operation => ({ isWhole: messages.length === 1, run: ({ store }) => { for (const message of messages) store.enqueue(message, must) } })
/** Takes the oldest and settles it. */
const settle = (lane: string, outcome: Parameters<Store['settle']>[1]): Operation => ({
  isWhole: true,
  run: ({ store }) => {
    const [delivery] = store.take(lane, { count: 1, bytes: Infinity }, 1_000_000)
    assert.ok(delivery)
    store.settle(delivery.lease, outcome, must)
  },
})
const redrive: Operation = { isWhole: true, run: ({ store }) => store.redrive(store.listDead({ limit: 1 })[0]?.id ?? '', must) }
const removeDead: Operation = { isWhole: true, run: ({ store }) => store.removeDead(store.listDead({ limit: 1 })[0]?.id ?? '', must) }
const cancel = (callId: string): Operation => ({ isWhole: false, run: ({ store }) => store.cancel(callId, must) })
const retry: Outcome = { kind: 'retry', delayMs: 0 }

/** Throughput that makes segments come and go, around one message of each fate that stays. */
const traffic: readonly Operation[] = Array.from({ length: 8 }, (_, index) => [enqueue(call(`t${index}`, { head: { ...call(`t${index}`).head, ref: { name: 'g', namespace: 'n' } } })), settle('g.n', { kind: 'done' })]).flat()
const operations: readonly Operation[] = [
  enqueue(call('stays', { delayMs: 1e9 })),
  enqueue(call('keyed', { key: 'k' })),
  settle('f.n', { kind: 'done' }),
  enqueue(call('a'), call('b'), call('c', { key: 'k2' })),
  settle('f.n', retry),
  settle('f.n', { kind: 'dead', reason: 'no' }),
  settle('f.n', { kind: 'done', callback: callback('b') }),
  ...traffic,
  redrive,
  settle('f.n', { kind: 'dead', reason: 'again', callback: callback('a') }),
  removeDead,
  enqueue(call('x'), call('x')),
  cancel('x'),
  ...traffic,
  settle('f.n callback', { kind: 'done' }),
]

type Machine = { readonly store: Store; readonly view: View; readonly reports: string[] }

function must(error: Error | undefined): void {
  if (error !== undefined) throw error
}

function boot(view: View): Machine {
  const reports: string[] = []
  const store = createStore({
    files: view, folder: FOLDER, wallMs: () => 1_000, nowMs: () => 1_000, report: (level, message, fields) => { reports.push(`${level} ${message} ${JSON.stringify(fields)}`) },
    limits: { maxMessages: 100, maxBytes: 1e6, maxDead: 10, maxDeadBytes: 1e6, maxKeys: 100, segmentBytes: SEGMENT_BYTES },
  })
  store.open()
  return { store, view, reports }
}

/** Everything durable, one line each. Taking leaves nothing on the disk. */
function stateOf({ store }: Machine): ReadonlySet<string> {
  const lines: string[] = []
  for (const lane of ['f.n', 'f.n callback', 'g.n']) {
    for (const one of store.take(lane, { count: 100, bytes: Infinity }, 0)) {
      lines.push(`due ${one.head.kind} ${one.head.callId} ${one.attempts} ${Buffer.from(one.body).toString()}`)
      store.settle(one.lease, { kind: 'release' }, must)
    }
  }
  for (const { callId, reason, attempts } of store.listDead({ limit: 100 })) lines.push(`dead ${callId} ${reason} ${attempts}`)
  const delayed = store.changes().reduce((sum, lane) => sum + lane.delayed, 0)
  if (delayed > 0) lines.push(`delayed ${delayed}`)
  // Asked and not committed: only a key that is known answers.
  for (const key of ['k', 'k2']) store.enqueue(call('probe', { key }), (_, value) => { if (value?.isDuplicate) lines.push(`key ${key} is ${value.callId}`) })
  // Two of the same name count twice.
  return new Set(lines.map((line, index) => `${line} #${lines.slice(0, index).filter((other) => other === line).length}`))
}

/** The state after so many operations, on a disk that lasts. */
function stateAfter(count: number): ReadonlySet<string> {
  const view = createForgetfulDisk().view()
  const machine = boot(view)
  for (const operation of operations.slice(0, count)) perform(machine, operation)
  return stateOf(boot(view))
}

function perform(machine: Machine, operation: Operation): void {
  operation.run(machine)
  machine.store.commit()
  while (machine.store.clean()) { /* all that it can */ }
}

/** Runs until the power goes; how many operations were acknowledged before. */
function runUntilCut(disk: ForgetfulDisk, cutAt: number, ignoresSync: IgnoresSync): { acknowledged: number; steps: readonly Step[] } {
  const view = disk.view({ cutAt, ignoresSync })
  let acknowledged = 0
  try {
    const machine = boot(view)
    for (const operation of operations) {
      perform(machine, operation)
      // Without power nobody is told anything; cleaning may hide that it has gone.
      if (view.isDead()) break
      acknowledged++
    }
  } catch (error) {
    if (!view.isDead()) throw error
  }
  return { acknowledged, steps: view.steps }
}

const states = operations.map((_, index) => stateAfter(index)).concat([stateAfter(operations.length)])

function complaint(found: ReadonlySet<string>, acknowledged: number): string | undefined {
  const before = states[acknowledged] ?? new Set()
  const after = states[acknowledged + 1] ?? before
  if (isSame(found, before) || isSame(found, after)) return undefined
  const missing = [...before.intersection(after).difference(found)]
  const extra = [...found.difference(before.union(after))]
  const isWhole = operations[acknowledged]?.isWhole ?? true
  return missing.length + extra.length === 0 && !isWhole ? undefined : `lost: ${missing.join('; ')}, came back: ${extra.join('; ')}, found: ${[...found].join('; ')}`
}

function isSame(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && a.isSubsetOf(b)
}

/** The first violation found with these syncs left out. */
function sweep(ignoresSync: IgnoresSync = () => false): string | undefined {
  const { steps } = runUntilCut(createForgetfulDisk(), Infinity, ignoresSync)
  for (let cutAt = 1; cutAt <= steps.length; cutAt++) {
    const disk = createForgetfulDisk()
    const { acknowledged } = runUntilCut(disk, cutAt, ignoresSync)
    for (const loss of losses) {
      const machine = boot(disk.survivors(loss).view())
      const wrong = complaint(stateOf(machine), acknowledged)
      if (wrong !== undefined) return `cut at step ${cutAt} (${JSON.stringify(steps[cutAt - 1])}) with loss of ${loss}, ${acknowledged} acknowledged: ${wrong}`
    }
  }
  return undefined
}

/**
 * First only the process dies, and the next one starts on the same disk: what it has read it acts on, so it must stay,
 * and so must what it acknowledges.
 */
function sweepAfterKill(ignoresSync: IgnoresSync = () => false): string | undefined {
  const { steps } = runUntilCut(createForgetfulDisk(), Infinity, () => false)
  for (let cutAt = 1; cutAt <= steps.length; cutAt++) {
    const disk = createForgetfulDisk()
    runUntilCut(disk, cutAt, () => false)
    const next = boot(disk.view({ ignoresSync }))
    const read = stateOf(next)
    const untouched = disk.survivors('nothing')
    perform(next, enqueue(call('next')))
    const believed = stateOf(next)
    const first = stateOf(boot(untouched.view()))
    if (!isSame(first, read)) return `killed at step ${cutAt} (${JSON.stringify(steps[cutAt - 1])}): ${[...first].join('; ')} instead of ${[...read].join('; ')}`
    const found = stateOf(boot(disk.survivors('nothing').view()))
    if (!isSame(found, believed)) return `killed at step ${cutAt} (${JSON.stringify(steps[cutAt - 1])}): ${[...found].join('; ')} instead of ${[...believed].join('; ')}`
  }
  return undefined
}

test('the run fills segments and gives them back', () => {
  const { steps } = runUntilCut(createForgetfulDisk(), Infinity, () => false)
  const count = (call: Step['call']): number => steps.filter((step) => step.call === call).length
  assert.ok(count('create') > 8 && count('remove') > 5, `${count('create')} created, ${count('remove')} removed`)
})

test('whatever was acknowledged survives a power cut at any step, and nothing is half there', () => {
  assert.equal(sweep(), undefined)
}, { timeoutMs: 60_000 })

test('what a start finds after a kill survives a power cut', () => {
  assert.equal(sweepAfterKill(), undefined)
}, { timeoutMs: 60_000 })

/** Without any one of these the sweep must find a loss, or the call (or the test) is worth nothing. */
const syncs: readonly { readonly name: string; readonly is: IgnoresSync; readonly sweep: typeof sweep }[] = [
  { name: 'the content of segments', is: ({ call }) => call === 'sync', sweep },
  { name: 'the folder of segments', is: ({ call, path }) => call === 'syncFolder' && path === FOLDER, sweep },
  { name: 'the folder after a segment was given back', is: ({ call }, previous) => call === 'syncFolder' && previous?.call === 'remove', sweep },
  { name: 'the data folder', is: ({ call, path }) => call === 'syncFolder' && path === '/data', sweep },
  { name: 'the folder above the data folder', is: ({ call, path }) => call === 'syncFolder' && path === '/', sweep },
  { name: 'the last segment at a start', is: ({ call }) => call === 'sync', sweep: sweepAfterKill },
  { name: 'the data folder at a start', is: ({ call, path }) => call === 'syncFolder' && path === '/data', sweep: sweepAfterKill },
  { name: 'the folder above at a start', is: ({ call, path }) => call === 'syncFolder' && path === '/', sweep: sweepAfterKill },
]
for (const { name, is, sweep } of syncs) {
  test(`leaving out the sync of ${name} is noticed`, () => {
    assert.match(sweep(is) ?? 'not noticed', /^(?:cut|killed) at step/)
  }, { timeoutMs: 60_000 })
}
