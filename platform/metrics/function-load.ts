/** The work of one function as the data path counts it: a plain message, so it may cross a process border. */
import { totalOf, type FunctionSeries } from './invocations.ts'

export type FunctionLoad = {
  /** `NAME.NAMESPACE` */
  readonly name: string
  /** When it was counted, milliseconds of the counter's clock. */
  readonly atMs: number
  readonly started: number
  readonly finished: number
  /** Calls under way, those that wait included. */
  readonly inFlight: number
  /** Calls that wait for a replica. */
  readonly waiting: number
  /**
   * Milliseconds of all calls so far added up, those under way up to now: its growth over a time, divided by that time,
   * is how many calls were under way on the mean.
   */
  readonly busyMs: number
}

export function loadOf(series: FunctionSeries, waiting: number, nowMs: number): FunctionLoad {
  return {
    name: series.name, atMs: nowMs, started: series.started, finished: totalOf(series), inFlight: series.inFlight, waiting,
    busyMs: series.busyMs + series.inFlight * nowMs,
  }
}
