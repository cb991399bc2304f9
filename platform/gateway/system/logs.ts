/** `/system/logs`: one JSON object per line, flushed line by line. */
import { once } from 'node:events'
import type { Request, RequestHandler } from 'express'
import { BrambleError } from '../../lib/errors.ts'
import { checkDnsLabel } from '../../openfaas/names.ts'
import { parseNamespaceName } from '../../openfaas/parse.ts'
import type { LogQuery } from '../../openfaas/types.ts'
import type { Provider } from '../../provider/provider.ts'
import { queryText } from './query.ts'

export function streamLogs(provider: Provider): RequestHandler {
  return async (req, res) => {
    const query = parseLogQuery(req)
    const hangUp = new AbortController()
    res.on('close', () => hangUp.abort())
    const lines = provider.logs(query, hangUp.signal)[Symbol.asyncIterator]()
    // A follower of a silent function waits for its first line with the answer begun; only an error comes before that.
    const first = lines.next()
    const opened = await Promise.race([first.then(() => true), new Promise<false>((resolve) => setImmediate(resolve, false))])
    res.status(200).type('application/x-ndjson')
    if (!opened) res.flushHeaders()
    for (let line = await first; !line.done; line = await lines.next()) {
      const { name, namespace, instance, timestamp, text } = line.value
      const json = JSON.stringify({ name, namespace, instance, timestamp: timestamp.toISOString(), text })
      if (!res.write(`${json}\n`)) await once(res, 'drain', { signal: hangUp.signal }).catch(() => undefined)
      if (hangUp.signal.aborted) return
    }
    res.end()
  }
}

function parseLogQuery(req: Request): LogQuery {
  const instance = queryText(req, 'instance')
  const tail = parseTail(queryText(req, 'tail'))
  const since = parseSince(queryText(req, 'since'))
  return {
    name: checkDnsLabel(queryText(req, 'name') ?? '', 'function name'),
    namespace: parseNamespaceName(queryText(req, 'namespace')),
    follow: parseFlag(queryText(req, 'follow')),
    ...(instance ? { instance } : {}),
    ...(tail === undefined ? {} : { tail }),
    ...(since === undefined ? {} : { since }),
  }
}

function parseTail(text: string | undefined): number | undefined {
  if (!text) return undefined
  if (!/^-?[0-9]{1,9}$/.test(text)) throw new BrambleError('UNPROCESSABLE', `tail "${text}" is not a whole number`)
  return Number(text) > 0 ? Number(text) : undefined
}

function parseSince(text: string | undefined): Date | undefined {
  if (!text) return undefined
  // A "+" of a time zone that was not escaped has become a space.
  const date = new Date(text.replace(/ (?=\d\d:\d\d$)/, '+'))
  const isRfc3339 = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+ -]\d\d:\d\d)$/.test(text)
  if (!isRfc3339 || Number.isNaN(date.getTime())) {
    throw new BrambleError('UNPROCESSABLE', `since "${text}" is not a time like 2026-01-31T12:00:00Z (RFC 3339)`)
  }
  return date
}

function parseFlag(text: string | undefined): boolean {
  if (text === undefined || text === '' || text === 'false' || text === '0') return false
  if (text === 'true' || text === '1') return true
  throw new BrambleError('UNPROCESSABLE', `follow "${text}" is neither true nor false`)
}
