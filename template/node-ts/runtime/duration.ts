/** Go durations (`10s`, `1m30s`, `500ms`) and whole seconds (`10`), as OpenFaaS's settings have them. */

const unitsInMs: Record<string, number> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1, us: 1e-3, 'µs': 1e-3, ns: 1e-6 }
/** What a Node timer can wait for; longer is a mistake. */
const MAX_MS = 2 ** 31 - 1

/** Milliseconds; `undefined` when the text is no duration. */
export function parseDurationMs(text: string): number | undefined {
  let ms = 0
  if (/^\d+$/.test(text)) ms = Number(text) * 1000
  else if (!/^((\d+\.?\d*|\.\d+)(h|ms|m|s|us|µs|ns))+$/.test(text)) return undefined
  else for (const [, amount, unit] of text.matchAll(/([\d.]+)([a-zµ]+)/g)) ms += Number(amount) * (unitsInMs[unit ?? ''] ?? 0)
  return ms <= MAX_MS ? Math.ceil(ms) : undefined
}
