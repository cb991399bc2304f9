/** `bramble invoke` */
import { STATUS_CODES } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { BrambleError } from '../lib/errors.ts'
import { cutOff } from './client.ts'
import { createCommand, takeArguments } from './command.ts'
import { parseDuration } from './duration.ts'
import { functionRef, functionUrl, gatewayOptions, openGateway, stackOptions } from './target.ts'
import { paint, tell } from './terminal.ts'

const DEFAULT_TIMEOUT_MS = 60_000
const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD'] as const
/** These carry no body, so standard input is left alone. */
const withoutBody: readonly string[] = ['GET', 'HEAD']

export const invoke = createCommand({
  name: 'invoke',
  usage: 'NAME [PATH] [options]',
  summary: 'calls a function with standard input as body, and prints the answer',
  details: 'The exit code is 0 for a 2xx answer; any other prints its status on standard error, and is 1.\n' +
    'Redirects are not followed.',
  options: {
    ...gatewayOptions,
    header: { type: 'string', short: 'H', multiple: true, value: '"NAME: VALUE"', meaning: 'a request header' },
    query: { type: 'string', multiple: true, value: 'NAME=VALUE', meaning: 'a query parameter' },
    method: { type: 'string', short: 'm', value: 'METHOD', meaning: 'the method (POST)' },
    'content-type': { type: 'string', value: 'TYPE', meaning: 'type of the body (text/plain)' },
    timeout: { type: 'string', value: 'DURATION', meaning: 'longest silence (60s)' },
    yaml: stackOptions.yaml,
    envsubst: stackOptions.envsubst,
  },
  async run({ options, args, io }) {
    const [name = '', path = ''] = takeArguments('invoke', 'NAME [PATH]', args, 1, 2)
    const method = (options.method ?? 'POST').toUpperCase()
    if (!methods.some((known) => known === method)) {
      throw new BrambleError('INVALID', `--method ${method} is not one of ${methods.join(', ')}`)
    }
    const headers = { 'content-type': options['content-type'] ?? 'text/plain', ...readHeaders(options.header) }
    const query = new URLSearchParams(options.query.map((pair) => splitAt(pair, '=', '--query', 'NAME=VALUE')))
    const timeoutMs = options.timeout === undefined ? DEFAULT_TIMEOUT_MS : parseDuration(options.timeout, '--timeout')
    const client = await openGateway(io, options)
    const target = functionUrl('', functionRef(name, options.namespace)) + (path && !path.startsWith('/') ? `/${path}` : path)

    const hasBody = !withoutBody.includes(method)
    if (hasBody && io.stdin.isTTY) tell(io, 'reading the body from the keyboard: Ctrl-D ends it')
    const reply = await client.open({
      method, timeoutMs,
      path: query.size > 0 ? `${target}${target.includes('?') ? '&' : '?'}${query}` : target,
      headers: hasBody ? headers : readHeaders(options.header),
      body: hasBody ? io.stdin : undefined,
    })
    await pipeline(reply, io.stdout, { end: false }).catch((cause: unknown) => { throw cutOff(name, cause) })
    const status = reply.statusCode ?? 0
    if (status >= 200 && status < 300) return 0
    const location = reply.headers.location ? `, Location: ${reply.headers.location}` : ''
    tell(io, paint(io, 'red', `${name}: status ${status} ${STATUS_CODES[status] ?? ''}${location}`.trimEnd()))
    return 1
  },
})

function readHeaders(lines: readonly string[]): Record<string, string[]> {
  const headers: Record<string, string[]> = {}
  for (const line of lines) {
    const [name, value] = splitAt(line, ':', '-H', '"NAME: VALUE"')
    const key = name.trim().toLowerCase()
    headers[key] = [...(headers[key] ?? []), value.trim()]
  }
  return headers
}

function splitAt(text: string, mark: string, option: string, form: string): [string, string] {
  const at = text.indexOf(mark)
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)]
  throw new BrambleError('INVALID', `${option} "${text}" is not of the form ${form}`)
}
