/** What a service counts, beside the runtime's own metrics on `metrics_port`. */
import { moreMetrics } from '../metrics.ts'

export type Metric = {
  /** `bramble_SERVICE_WHAT_UNIT`; a counter ends in `_total`. */
  readonly name: string
  readonly type: 'counter' | 'gauge'
  readonly help: string
  readonly samples: readonly Sample[]
}

export type Sample = { readonly labels?: Readonly<Record<string, string>>; readonly value: number }

/** `read` is called when somebody scrapes. */
export function addMetrics(read: () => readonly Metric[]): void {
  moreMetrics.push(() => read().flatMap(linesOf).join('\n'))
}

function linesOf({ name, type, help, samples }: Metric): readonly string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...samples.map(({ labels = {}, value }) => `${name}${labelsOf(labels)} ${value}`)]
}

function labelsOf(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${value.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n')}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}
