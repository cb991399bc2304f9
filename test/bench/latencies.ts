/** Every latency of a run, kept exactly; a minute at 50,000 a second is 24 MB. */
const FIRST_CAPACITY = 65_536

export type LatencySummary = {
  readonly p50Ms: number
  readonly p90Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

export type Latencies = { record(ms: number): void; count(): number; summary(): LatencySummary }

export function createLatencies(): Latencies {
  let samples = new Float64Array(FIRST_CAPACITY)
  let count = 0

  return {
    record(ms) {
      if (count === samples.length) {
        const larger = new Float64Array(samples.length * 2)
        larger.set(samples)
        samples = larger
      }
      samples[count++] = ms
    },
    count: () => count,
    summary() {
      const sorted = samples.slice(0, count).sort()
      const at = (share: number): number => sorted[Math.max(0, Math.ceil(share * count) - 1)] ?? 0
      return { p50Ms: at(0.5), p90Ms: at(0.9), p99Ms: at(0.99), maxMs: at(1) }
    },
  }
}
