/** An answer against the recorded one. Pure; says what differs, or nothing. */
import type { RecordedResponse } from './scenario.ts'

export type Answer = {
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: Buffer
}

/** Fields compared only by their kind, because the value cannot be arranged or belongs to the machine. */
export type Loose = ReadonlySet<string>

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const nanoseconds = /^[0-9]{19}$/
const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/

export function differences(recorded: RecordedResponse, answer: Answer, loose: Loose = new Set()): string[] {
  const wanted = [recorded.status, ...recorded.statusAlso ?? []]
  if (!wanted.includes(answer.status)) {
    return [`status ${answer.status} instead of ${wanted.join(' or ')}: ${answer.body.toString().slice(0, 200)}`]
  }
  // The texts and headers were recorded with the first status; with another one only its body kind can be asked for.
  if (answer.status !== recorded.status) return answer.body.length > 0 || answer.status < 300 ? [] : ['an error without a text']
  return [...headerDifferences(recorded, answer), ...bodyDifferences(recorded, answer, loose)]
}

function headerDifferences(recorded: RecordedResponse, { headers }: Answer): string[] {
  return Object.entries(recorded.headers ?? {}).flatMap(([name, value]) => {
    const is = headers[name]
    const isGood = value === '{uuid}' ? uuid.test(is ?? '')
      : value === '{nanoseconds}' ? nanoseconds.test(is ?? '')
      : name === 'content-type' ? mediaType(is) === mediaType(value)
      : is === value
    return isGood ? [] : [`header ${name}: ${is} instead of ${value}`]
  })
}

function mediaType(contentType: string | undefined): string | undefined {
  return contentType?.split(';')[0]?.trim().toLowerCase()
}

function bodyDifferences({ match, body }: RecordedResponse, answer: Answer, loose: Loose): string[] {
  const text = answer.body.toString()
  switch (match) {
    case 'empty': return text === '' ? [] : [`a body: ${text}`]
    case 'text': return text.trim() === '' ? ['no text'] : []
    case 'exact': return answer.body.equals(Buffer.from(String(body))) ? [] : [`body ${JSON.stringify(text)} instead of ${JSON.stringify(body)}`]
    case 'json': return compareText(() => JSON.parse(text), body, loose)
    case 'ndjson': return compareText(() => text.split('\n').filter(Boolean).map((line): unknown => JSON.parse(line)), body, loose)
  }
}

function compareText(parse: () => unknown, recorded: unknown, loose: Loose): string[] {
  let parsed: unknown
  try {
    parsed = parse()
  } catch (error) {
    return [`not JSON: ${error}`]
  }
  return [...outerDifferences(recorded, parsed, loose), ...statusRules(parsed)]
}

/** The order of the outer list is free. */
function outerDifferences(recorded: unknown, is: unknown, loose: Loose): string[] {
  if (!Array.isArray(recorded)) return valueDifferences('body', recorded, is, loose)
  if (!Array.isArray(is)) return ['the body is no list']
  if (is.length !== recorded.length) return [`${is.length} entries instead of ${recorded.length}`]
  const left: unknown[] = [...is]
  return recorded.flatMap((entry: unknown, index) => {
    const attempts = left.map((one) => valueDifferences(`entry ${index}`, entry, one, loose))
    const found = attempts.findIndex((complaints) => complaints.length === 0)
    if (found < 0) return attempts.toSorted((a, b) => a.length - b.length)[0] ?? [`entry ${index} is missing`]
    left.splice(found, 1)
    return []
  })
}

function valueDifferences(at: string, recorded: unknown, is: unknown, loose: Loose): string[] {
  if (isObject(recorded)) {
    if (!isObject(is)) return [`${at} is no object`]
    return Object.entries(recorded).flatMap(([key, value]) => {
      if (!Object.hasOwn(is, key)) return [`${at}.${key} is missing`]
      const isSame = loose.has(key) ? sameKind(value, is[key]) : undefined
      if (isSame !== undefined) return isSame ? [] : [`${at}.${key}: ${JSON.stringify(is[key])} is of another kind than ${JSON.stringify(value)}`]
      return valueDifferences(`${at}.${key}`, value, is[key], loose)
    })
  }
  if (Array.isArray(recorded)) {
    if (!Array.isArray(is) || is.length !== recorded.length) return [`${at}: ${JSON.stringify(is)} instead of ${JSON.stringify(recorded)}`]
    return recorded.flatMap((entry: unknown, index) => valueDifferences(`${at}[${index}]`, entry, is[index], loose))
  }
  return recorded === is || isSameTime(recorded, is) ? [] : [`${at}: ${JSON.stringify(is)} instead of ${JSON.stringify(recorded)}`]
}

/** `03:04:05Z` and `03:04:05.000Z` are the same time. */
function isSameTime(recorded: unknown, is: unknown): boolean {
  return typeof recorded === 'string' && typeof is === 'string' && rfc3339.test(recorded) && rfc3339.test(is) &&
    Date.parse(recorded) === Date.parse(is)
}

function sameKind(recorded: unknown, is: unknown): boolean {
  if (isObject(recorded)) {
    return isObject(is) && Object.entries(recorded).every(([key, value]) => sameKind(value, is[key]))
  }
  if (typeof recorded === 'string' && rfc3339.test(recorded)) return typeof is === 'string' && rfc3339.test(is)
  return typeof recorded === typeof is && is !== ''
}

/** What clients trip over in a function status: empty maps that should be absent, absent maps that should be empty. */
function statusRules(body: unknown): string[] {
  return (Array.isArray(body) ? body : [body]).flatMap((status: unknown) => {
    if (!isObject(status) || !Object.hasOwn(status, 'image')) return []
    return [
      ...['envVars', 'limits', 'requests']
        .filter((name) => Object.hasOwn(status, name) && !(isObject(status[name]) && Object.keys(status[name]).length > 0))
        .map((name) => `${name} must be absent when empty`),
      ...['labels', 'annotations'].filter((name) => !isObject(status[name])).map((name) => `${name} must be an object`),
    ]
  })
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
