/** The watchdog's metrics, by the same names: counters in arrays, turned into text when somebody scrapes. */

/** Seconds; the default buckets of Prometheus clients, so that existing queries and boards fit. */
const buckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const

/** What a service counts besides: each gives lines of Prometheus' text format. */
export const moreMetrics: (() => string)[] = []

type Series = { count: number; seconds: number; readonly perBucket: number[] }

export type Metrics = {
  observe(method: string, status: number, seconds: number): void
  /** Prometheus text format. */
  text(inFlight: number): string
}

export function createMetrics(): Metrics {
  const methods = new Map<string, Series[]>()

  return {
    observe(method, status, seconds) {
      let byStatus = methods.get(method)
      if (byStatus === undefined) methods.set(method, byStatus = [])
      const series = byStatus[status] ??= { count: 0, seconds: 0, perBucket: buckets.map(() => 0) }
      series.count++
      series.seconds += seconds
      const i = buckets.findIndex((bucket) => seconds <= bucket)
      if (i >= 0) series.perBucket[i] = (series.perBucket[i] ?? 0) + 1
    },

    text(inFlight) {
      const totals: string[] = []
      const durations: string[] = []
      for (const [method, byStatus] of methods) {
        byStatus.forEach((series, status) => {
          const labels = `code="${status}",method="${method.toLowerCase()}"`
          totals.push(`http_requests_total{${labels}} ${series.count}`)
          durations.push(...histogram(labels, series))
        })
      }
      return [
        '# TYPE http_requests_total counter',
        ...totals,
        `# HELP ${DURATION} Seconds spent serving requests.`,
        `# TYPE ${DURATION} histogram`,
        ...durations,
        '# TYPE http_requests_in_flight gauge',
        `http_requests_in_flight ${inFlight}`,
        ...moreMetrics.map((more) => more()),
        '',
      ].join('\n')
    },
  }
}

/** Once: a minifier keeps every copy of a text, and the bundle has a size to keep. */
const DURATION = 'http_request_duration_seconds'

function histogram(labels: string, series: Series): string[] {
  let sum = 0
  const lines = buckets.map((bucket, i) => {
    sum += series.perBucket[i] ?? 0
    return `${DURATION}_bucket{${labels},le="${bucket}"} ${sum}`
  })
  return [
    ...lines,
    `${DURATION}_bucket{${labels},le="+Inf"} ${series.count}`,
    `${DURATION}_sum{${labels}} ${series.seconds}`,
    `${DURATION}_count{${labels}} ${series.count}`,
  ]
}
