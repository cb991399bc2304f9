/**
 * The clock of an open-loop load, on a thread of its own: timers of the event loop are a millisecond coarse, which is
 * more than most calls take. Says `due` again and again: how many calls should have been sent by now.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { nowMs } from './now.ts'

export type TickerPlan = { readonly startMs: number; readonly ratePerSecond: number; readonly count: number }

const plan = workerData as TickerPlan
const cell = new Int32Array(new SharedArrayBuffer(4))
for (let due = 0; due < plan.count;) {
  const waitMs = plan.startMs + due * 1000 / plan.ratePerSecond - nowMs()
  if (waitMs > 0) Atomics.wait(cell, 0, 0, waitMs)
  due = Math.min(plan.count, Math.floor((nowMs() - plan.startMs) * plan.ratePerSecond / 1000) + 1)
  parentPort?.postMessage(due)
}
