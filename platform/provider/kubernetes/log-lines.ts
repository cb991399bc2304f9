/** One line of a container's log as the kubelet gives it with timestamps: `2026-01-02T03:04:05.000000006Z text`. Pure. */

export type LogLine = {
  readonly atMs: number
  /** Within the millisecond. */
  readonly nanos: number
  readonly text: string
}

/** `undefined` for what is no such line: a notice of the kubelet itself. */
export function parseLogLine(line: string): LogLine | undefined {
  const [, seconds = '', fraction = '', zone = '', text = ''] = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d) ?(.*)$/s.exec(line) ?? []
  const baseMs = Date.parse(`${seconds}${zone}`)
  if (seconds === '' || Number.isNaN(baseMs)) return undefined
  const padded = fraction.padEnd(9, '0')
  return { atMs: baseMs + Number(padded.slice(0, 3)), nanos: Number(padded.slice(3)), text }
}

export function byTime(a: LogLine, b: LogLine): number {
  return a.atMs - b.atMs || a.nanos - b.nanos
}
