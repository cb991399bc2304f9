/** A rule: what must not be so, and for how long it may. */

export type Severity = 'info' | 'warning' | 'critical'

export type Rule = {
  readonly name: string
  /** Each series that it gives is an alert. */
  readonly expr: string
  readonly forMs: number
  readonly severity: Severity
  /** `{label}` stands for the label's value, `{value}` for the number. */
  readonly summary: string
  readonly isEnabled: boolean
}

const MINUTE_MS = 60_000

/** They come with the service; each can be changed or switched off. */
export const shippedRules: readonly Rule[] = [
  {
    name: 'function-down', expr: 'gateway_service_count > 0 and gateway_service_ready_count == 0', forMs: 2 * MINUTE_MS, severity: 'critical',
    summary: 'no replica of {function_name} is ready', isEnabled: true,
  },
  {
    name: 'error-rate', forMs: 5 * MINUTE_MS, severity: 'warning', isEnabled: true,
    expr: 'sum by (function_name) (rate(gateway_function_invocation_total{code=~"5.*"}[5m])) / sum by (function_name) (rate(gateway_function_invocation_total[5m])) > 0.05',
    summary: '{function_name} fails more than one call of twenty: {value} of all',
  },
  { name: 'gateway-unreachable', expr: 'up{job="gateway"} == 0', forMs: 2 * MINUTE_MS, severity: 'critical', summary: 'the gateway does not answer', isEnabled: true },
  { name: 'node-lost', expr: 'bramble_node_up == 0', forMs: MINUTE_MS, severity: 'critical', summary: 'the board {node} does not tell of itself any more', isEnabled: true },
  {
    name: 'disk-nearly-full', expr: 'bramble_node_disk_available_bytes / bramble_node_disk_total_bytes < 0.1', forMs: 5 * MINUTE_MS, severity: 'warning',
    summary: 'the disk of {node} has only {value} of its size left', isEnabled: true,
  },
  { name: 'board-too-hot', expr: 'bramble_node_temperature_celsius > 80', forMs: 2 * MINUTE_MS, severity: 'warning', summary: '{node} has {value} degrees Celsius', isEnabled: true },
  { name: 'under-voltage', expr: 'bramble_node_under_voltage == 1', forMs: 0, severity: 'critical', summary: '{node} gets too little voltage: its power supply or cable is too weak', isEnabled: true },
  {
    name: 'backup-too-old', expr: 'bramble_data_copy_age_seconds > 21600', forMs: 10 * MINUTE_MS, severity: 'critical',
    summary: 'the last off-site copy of the database {database} is {value} s old', isEnabled: true,
  },
]

export function summaryOf({ summary }: Pick<Rule, 'summary'>, labels: Readonly<Record<string, string>>, value: number): string {
  const shown = Number.isInteger(value) ? String(value) : value.toPrecision(3)
  return summary.replace(/\{([a-zA-Z_][a-zA-Z0-9_]*)\}/g, (whole, name: string) => name === 'value' ? shown : Object.hasOwn(labels, name) ? labels[name] ?? '' : whole)
}
