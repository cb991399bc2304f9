/** What `/system/cron` says of one schedule of one function; the JSON has these names. */

/** `interrupted`: the platform ended before the run did. */
export type RunOutcome = 'running' | 'ok' | 'failed' | 'interrupted'

export type CronRun = {
  /** The moment it was meant for. */
  readonly due: string
  readonly started: string
  readonly ended?: string
  readonly outcome: RunOutcome
  /** Of the answer; 202 when the call was queued. */
  readonly status?: number
  /** Why there was no answer. */
  readonly error?: string
}

export type CronStatus = {
  readonly name: string
  readonly namespace: string
  readonly schedule: string
  readonly timezone: string
  readonly catchUp: string
  readonly overlap: string
  readonly invocation: string
  /** Absent when there is none, or another platform process runs the schedules. */
  readonly nextRun?: string
  readonly lastRun?: CronRun
  /** The last moment at which no run began because the one before had not ended. */
  readonly lastSkipped?: string
}
