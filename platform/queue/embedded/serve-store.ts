/**
 * The thread's loop: takes all requests that have come, makes their changes durable with one sync, then answers. While
 * it syncs, the next ones gather. Blocking is fine here: nothing else runs in this thread.
 */
import { receiveMessageOnPort, type MessagePort } from 'node:worker_threads'
import { BrambleError, reasonOf } from '../../lib/errors.ts'
import type { Delivery } from '../queue.ts'
import type { LogFiles } from './log-files.ts'
import type { Answer, Request, Round, StoreSettings } from './messages.ts'
import { createStore, type Done } from './store.ts'

/** The longest time a Node timer can wait. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** How long outcomes may gather while nobody waits for a sync: each one spares the card, and messages are taken meanwhile. */
const GATHER_MS = 10

type Received = { readonly message: readonly Request[] } | undefined

export function serveStore(port: MessagePort, settings: StoreSettings, files: LogFiles): void {
  let answers: Answer[] = []
  let reports: Round['reports'][number][] = []
  let transfers: ArrayBuffer[] = []
  let timer: NodeJS.Timeout | undefined
  let gathering: NodeJS.Timeout | undefined
  let cleaning: NodeJS.Immediate | undefined
  const store = createStore({
    files, ...settings, wallMs: Date.now, nowMs: () => performance.now(),
    report: (level, message, fields) => { reports.push({ level, message, fields }) },
  })

  const answer = (number: number, value: unknown): void => { answers.push({ number, value }) }
  const refuse = (number: number, error: unknown): void => {
    const code = error instanceof BrambleError ? error.code : 'INTERNAL'
    answers.push({ number, error: { code, message: reasonOf(error) } })
  }
  const tell = <T>(number: number): Done<T> => (error, value) => {
    if (error === undefined) answer(number, value)
    else refuse(number, error)
  }
  /** Answers whether the store goes on. */
  const handle = ({ number, question }: Request): boolean => {
    switch (question.kind) {
      case 'enqueue': store.enqueue(question.message, tell(number)); break
      case 'settle': store.settle(question.lease, question.outcome, tell(number)); break
      case 'cancel': store.cancel(question.callId, tell(number)); break
      case 'redrive': store.redrive(question.dead, tell(number)); break
      case 'removeDead': store.removeDead(question.dead, tell(number)); break
      case 'listDead': answer(number, store.listDead(question.options)); break
      case 'extend': answer(number, store.extend(question.leases, question.leaseMs)); break
      case 'take': answer(number, handOver(store.take(question.lane, question.limits, question.leaseMs))); break
      case 'stop': answer(number, undefined); return false
    }
    return true
  }
  const handOver = (deliveries: readonly Delivery[]): readonly Delivery[] => {
    for (const { body } of deliveries) if (body.buffer instanceof ArrayBuffer) transfers.push(body.buffer)
    return deliveries
  }
  const send = (): void => {
    const lanes = store.changes()
    if (answers.length + lanes.length + reports.length > 0) port.postMessage({ answers, lanes, reports } satisfies Round, transfers)
    answers = []
    reports = []
    transfers = []
  }
  const finishRound = (): void => {
    store.tick()
    send()
    clearTimeout(timer)
    const waitMs = store.untilTickMs()
    timer = waitMs === undefined ? undefined : setTimeout(finishRound, Math.min(Math.ceil(waitMs), MAX_TIMER_MS))
    cleaning ??= setImmediate(clean)
  }
  const commit = (): void => {
    clearTimeout(gathering)
    gathering = undefined
    store.commit()
    finishRound()
  }
  const clean = (): void => {
    cleaning = undefined
    const hasMore = store.clean()
    if (reports.length > 0) finishRound()
    if (hasMore) cleaning ??= setImmediate(clean)
  }
  /** Who asked meanwhile is told by the end of the thread. */
  const isShutOut = (): boolean => {
    try {
      store.checkOwner()
      return false
    } catch (error) {
      reports.push({ level: 'error', message: 'the queue stops', fields: { error: reasonOf(error) } })
      port.postMessage({ isShutOut: true, answers: [], lanes: [], reports } satisfies Round)
      return true
    }
  }
  const close = (): void => {
    clearTimeout(timer)
    clearTimeout(gathering)
    clearImmediate(cleaning)
    store.close()
    port.close()
  }

  store.open()
  // Even with nothing to say: the first round means that the store is open, and tells all lanes.
  port.postMessage({ answers, lanes: store.changes(), reports } satisfies Round)
  reports = []
  finishRound()
  port.on('message', (first: readonly Request[]) => {
    const round = [...first]
    for (let next: Received = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port)) round.push(...next.message)
    if (isShutOut()) return close()
    let goesOn = true
    for (const request of round) {
      try {
        goesOn = handle(request) && goesOn
      } catch (error) {
        refuse(request.number, error)
      }
    }
    // Messages that were taken need not wait for the disk.
    if (answers.length > 0) send()
    if (store.isUrgent() || !goesOn) commit()
    else gathering ??= setTimeout(commit, GATHER_MS)
    if (!goesOn) close()
  })
}
