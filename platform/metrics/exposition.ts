/** Prometheus text exposition, version 0.0.4, under the metric names of the OpenFaaS gateway. */
import { DURATION_BUCKETS_S, type FunctionSeries } from './invocations.ts'

export const EXPOSITION_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

export type ServiceGauge = {
  /** `NAME.NAMESPACE` */
  readonly name: string
  /** Replicas asked for. */
  readonly replicas: number
  /** Replicas that take calls. */
  readonly ready: number
}

export type SystemSeries = { readonly method: string; readonly path: string; readonly status: number; count: number; sumSeconds: number }

/** Asynchronous calls of one function. */
export type QueueSeries = {
  /** `NAME.NAMESPACE` */
  readonly name: string
  readonly submitted: number
  /** Due or under way. */
  readonly pending: number
  readonly inFlight: number
  /** Given up and kept. */
  readonly dead: number
  /** Tries by status. */
  readonly processed: ReadonlyMap<number, number>
}

export type Snapshot = {
  readonly functions: Iterable<FunctionSeries>
  readonly services: Iterable<ServiceGauge>
  readonly system: Iterable<SystemSeries>
  readonly queues?: Iterable<QueueSeries>
  readonly process: { readonly cpuSeconds: number; readonly residentBytes: number; readonly startedAtSeconds: number }
}

export function expose(snapshot: Snapshot): string {
  const functions = [...snapshot.functions]
  const lines: string[] = []

  family(lines, 'gateway_function_invocation_total', 'counter', 'Calls of functions that have ended, by status code')
  for (const one of functions) {
    for (const [code, series] of one.byCode) {
      lines.push(`gateway_function_invocation_total{${labels({ function_name: one.name, code })}} ${series.count}`)
    }
  }
  family(lines, 'gateway_function_invocation_started', 'counter', 'Calls of functions that have begun')
  for (const one of functions) lines.push(`gateway_function_invocation_started{${labels({ function_name: one.name })}} ${one.started}`)
  family(lines, 'gateway_function_invocation_inflight', 'gauge', 'Calls of functions under way')
  for (const one of functions) lines.push(`gateway_function_invocation_inflight{${labels({ function_name: one.name })}} ${one.inFlight}`)

  family(lines, 'gateway_functions_seconds', 'histogram', 'Duration of function calls in seconds')
  for (const one of functions) {
    for (const [code, series] of one.byCode) {
      const base = labels({ function_name: one.name, code })
      let cumulated = 0
      for (const [index, bound] of [...DURATION_BUCKETS_S, '+Inf'].entries()) {
        cumulated += series.buckets[index] ?? 0
        lines.push(`gateway_functions_seconds_bucket{${base},le="${bound}"} ${cumulated}`)
      }
      lines.push(`gateway_functions_seconds_sum{${base}} ${series.sumSeconds}`)
      lines.push(`gateway_functions_seconds_count{${base}} ${series.count}`)
    }
  }

  const services = [...snapshot.services]
  family(lines, 'gateway_service_count', 'gauge', 'Replicas asked for')
  for (const one of services) lines.push(`gateway_service_count{${labels({ function_name: one.name })}} ${one.replicas}`)
  family(lines, 'gateway_service_ready_count', 'gauge', 'Replicas ready to answer')
  for (const one of services) lines.push(`gateway_service_ready_count{${labels({ function_name: one.name })}} ${one.ready}`)

  const queues = [...snapshot.queues ?? []]
  const queued = (name: string, type: string, help: string, valueOf: (one: QueueSeries) => number): void => {
    family(lines, name, type, help)
    for (const one of queues) lines.push(`${name}{${labels({ function_name: one.name })}} ${valueOf(one)}`)
  }
  if (snapshot.queues) {
    queued('queue_worker_messages_submitted_total', 'counter', 'Asynchronous calls accepted', ({ submitted }) => submitted)
    queued('queue_worker_pending_messages', 'gauge', 'Asynchronous calls that are due or under way', ({ pending }) => pending)
    queued('queue_worker_function_invocation_inflight', 'gauge', 'Asynchronous calls under way', ({ inFlight }) => inFlight)
    queued('queue_worker_dead_messages', 'gauge', 'Asynchronous calls given up and kept', ({ dead }) => dead)
    family(lines, 'queue_worker_messages_processed_total', 'counter', 'Tries of asynchronous calls, by status code')
    for (const { name, processed } of queues) {
      for (const [code, count] of processed) lines.push(`queue_worker_messages_processed_total{${labels({ function_name: name, code })}} ${count}`)
    }
  }

  const system = [...snapshot.system]
  family(lines, 'http_requests_total', 'counter', 'Requests to the system API')
  for (const { method, path, status, count } of system) lines.push(`http_requests_total{${labels({ method, path, status })}} ${count}`)
  family(lines, 'http_request_duration_seconds', 'summary', 'Duration of requests to the system API in seconds')
  for (const { method, path, status, count, sumSeconds } of system) {
    lines.push(`http_request_duration_seconds_sum{${labels({ method, path, status })}} ${sumSeconds}`)
    lines.push(`http_request_duration_seconds_count{${labels({ method, path, status })}} ${count}`)
  }

  family(lines, 'process_cpu_seconds_total', 'counter', 'CPU time of the gateway process in seconds')
  lines.push(`process_cpu_seconds_total ${snapshot.process.cpuSeconds}`)
  family(lines, 'process_resident_memory_bytes', 'gauge', 'Resident memory of the gateway process in bytes')
  lines.push(`process_resident_memory_bytes ${snapshot.process.residentBytes}`)
  family(lines, 'process_start_time_seconds', 'gauge', 'Start of the gateway process, Unix time in seconds')
  lines.push(`process_start_time_seconds ${snapshot.process.startedAtSeconds}`)
  return lines.join('\n') + '\n'
}

function family(lines: string[], name: string, type: string, help: string): void {
  lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`)
}

function labels(pairs: Readonly<Record<string, string | number>>): string {
  return Object.entries(pairs)
    .map(([name, value]) => `${name}="${String(value).replace(/[\\"\n]/g, (c) => (c === '\n' ? '\\n' : `\\${c}`))}"`)
    .join(',')
}
