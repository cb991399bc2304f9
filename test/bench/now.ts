/** The monotonic clock in milliseconds, the same in every thread (`performance.now` starts anew in each). */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
