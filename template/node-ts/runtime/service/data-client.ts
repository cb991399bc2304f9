/** The database behind the data service's HTTP API. */
import type { IncomingMessage } from 'node:http'
import { builtin } from '../builtin.ts'
import type { Database, Migration, Result, Row, SqlValue, Statement } from './database.ts'
import { Problem } from './problem.ts'

const http = builtin('node:http')
const https = builtin('node:https')

export type DataClientSettings = {
  /** Of the data service: `http://gateway:8080/function/data`. */
  readonly url: string
  readonly database: string
  readonly token: string
  readonly migrations: readonly Migration[]
}

/** Longer than the data service itself lets a call run, and than a gateway holds it while the service is replaced. */
const TIMEOUT_MS = 20_000
/** Answers are lists of rows; this is far beyond the largest. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024
const RETRY_AFTER_SECONDS = '1'
/** At a time; the data service has one writer, more would only wait there. */
const MAX_SOCKETS = 32

type Reply = { readonly status: number; readonly body: string }

export function createDataClient({ url, database, token, migrations }: DataClientSettings): Database {
  const base = `${url}/v1/db/${database}`
  const { request: send, Agent } = base.startsWith('https:') ? https : http
  const agent = new Agent({ keepAlive: true, maxSockets: MAX_SOCKETS })
  let preparing: Promise<void> | undefined

  const call = (method: string, address: string, body?: unknown): Promise<Reply> => new Promise((resolve, reject) => {
    const text = body === undefined ? '' : JSON.stringify(body)
    const request = send(address, {
      method, agent, timeout: TIMEOUT_MS,
      headers: {
        authorization: `Bearer ${token}`, 'content-length': Buffer.byteLength(text),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
    }, (response) => readReply(response).then(resolve, reject))
    // `timeout` is about a silent connection, which is what a call without an answer has.
    request.on('timeout', () => request.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)))
    request.on('error', (cause) => reject(unavailable(`the data service at ${url} cannot be reached`, cause)))
    request.end(text)
  })

  const need = ({ status, body }: Reply, what: string): void => {
    if (status >= 200 && status < 300) return
    const { code, detail } = problemIn(body)
    // Coming again would not help: somebody has to make room.
    if (status === 507) throw new Problem(507, 'data_full', `the data service has no room: ${detail}`)
    throw unavailable(`the data service cannot ${what}: ${status} ${code}: ${detail}`)
  }

  const results = async (reply: Reply): Promise<readonly Result[]> => {
    if (reply.status === 404) {
      // The database was removed under us; the next call makes it again.
      preparing = undefined
    }
    need(reply, 'do this')
    return resultsIn(reply.body)
  }

  const createSchema = async (): Promise<void> => {
    need(await call('PUT', base), `create the database ${database}`)
    need(await call('PUT', `${base}/migrations`, { migrations }), `bring the database ${database} up to date`)
  }
  const prepare = (): Promise<void> => preparing ??= createSchema().catch((error: unknown) => {
    preparing = undefined
    throw error
  })

  return {
    prepare,

    async query(sql, parameters = {}) {
      await prepare()
      const [result] = await results(await call('POST', `${base}/query`, { sql, parameters }))
      return result?.rows ?? []
    },

    async execute(statements) {
      await prepare()
      const reply = await call('POST', `${base}/execute`, { statements: statements.map(toJson) })
      if (reply.status === 409 && problemIn(reply.body).code === 'expectation') return undefined
      return results(reply)
    },
  }
}

function toJson({ sql, parameters = {}, changes }: Statement) {
  return { sql, parameters, ...(changes !== undefined && { expect: { changes } }) }
}

async function readReply(response: IncomingMessage): Promise<Reply> {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  try {
    for await (const chunk of response) {
      if (!Buffer.isBuffer(chunk)) continue
      chunks.push(chunk)
      sizeBytes += chunk.length
      if (sizeBytes > MAX_ANSWER_BYTES) throw new Error(`the answer is larger than ${MAX_ANSWER_BYTES} bytes`)
    }
  } catch (cause) {
    throw unavailable('the answer of the data service broke off', cause)
  }
  return { status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }
}

/** As the data service writes them; what is not, has not come from it. */
function resultsIn(body: string): readonly Result[] {
  const results = jsonIn(body)['results']
  if (!Array.isArray(results)) throw unavailable('what answers as the data service is not one: its answer has no "results"')
  return results.map((result: unknown) => {
    const { columns, rows, changes } = fieldsOf(result)
    if (!Array.isArray(columns) || !Array.isArray(rows) || typeof changes !== 'number') {
      throw unavailable('what answers as the data service is not one: a result lacks "columns", "rows" or "changes"')
    }
    return { rows: rows.map((row: unknown) => rowOf(columns.map(String), row)), changes }
  })
}

function rowOf(columns: readonly string[], row: unknown): Row {
  const values: readonly unknown[] = Array.isArray(row) ? row : []
  return Object.fromEntries(columns.map((column, i) => [column, valueOf(column, values[i])]))
}

function valueOf(column: string, value: unknown): SqlValue {
  if (value === null || typeof value === 'number' || typeof value === 'string') return value
  throw unavailable(`the column "${column}" has a value that is neither null nor a number nor a text`)
}

function problemIn(body: string): { readonly code: string; readonly detail: string } {
  const { code, detail } = jsonIn(body)
  if (typeof code === 'string' && typeof detail === 'string') return { code, detail }
  return { code: 'no problem document', detail: body.slice(0, 200) }
}

/** Of an object in JSON; none of anything else. */
function jsonIn(body: string): Readonly<Record<string, unknown>> {
  try {
    return fieldsOf(JSON.parse(body))
  } catch {
    return {}
  }
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

function unavailable(reason: string, cause?: unknown): Problem {
  return new Problem(503, 'data_unavailable', reason, { cause, headers: { 'retry-after': RETRY_AFTER_SECONDS } })
}
