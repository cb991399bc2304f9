/** Who calls, from where, and when: what every change of state and every security event is written with. */
export type Origin = {
  readonly address: string
  readonly userAgent: string
  readonly callId: string
  readonly nowMs: number
}
