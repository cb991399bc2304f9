/** `bramble logs` */
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { BrambleError } from '../lib/errors.ts'
import { cutOff } from './client.ts'
import { createCommand, takeArguments, type Io } from './command.ts'
import { parseDuration } from './duration.ts'
import { parseJson } from './status.ts'
import { functionRef, gatewayOptions, openGateway, stackOptions } from './target.ts'
import { paint } from './terminal.ts'

export const logs = createCommand({
  name: 'logs',
  usage: 'NAME [options]',
  summary: 'shows what a function wrote; -f goes on with what it writes',
  options: {
    ...gatewayOptions,
    follow: { type: 'boolean', short: 'f', meaning: 'go on until Ctrl-C' },
    since: { type: 'string', value: 'DURATION', meaning: 'only what is younger: 90s, 5m, 1h30m' },
    'since-time': { type: 'string', value: 'TIME', meaning: 'only what is younger: 2026-01-31T12:00:00Z' },
    lines: { type: 'string', value: 'COUNT', meaning: 'only the last so many lines' },
    tail: { type: 'string', value: 'COUNT', meaning: 'the same as --lines' },
    instance: { type: 'string', value: 'NAME', meaning: 'only this replica' },
    json: { type: 'boolean', meaning: 'one JSON object per line, as the gateway sends it' },
    yaml: { type: 'string', value: 'FILE', meaning: stackOptions.yaml.meaning },
    envsubst: stackOptions.envsubst,
  },
  async run({ options, args, io }) {
    const [name = ''] = takeArguments('logs', 'NAME', args, 1)
    const ref = functionRef(name, options.namespace)
    const query = {
      name: ref.name,
      namespace: ref.namespace,
      follow: options.follow ? 'true' : 'false',
      tail: readCount(options.lines ?? options.tail),
      since: readSince(options.since, options['since-time']),
      instance: options.instance,
    }
    const client = await openGateway(io, options)
    const reply = await client.stream('/system/logs', query)
    try {
      for await (const line of createInterface({ input: reply })) {
        if (line === '') continue
        const shown = options.json ? `${line}\n` : inText(io, line)
        if (!io.stdout.write(shown)) await once(io.stdout, 'drain')
      }
    } catch (cause) {
      throw cutOff(name, cause)
    }
    // The lines end quietly when the connection does.
    if (!reply.complete) throw cutOff(name, new Error('the gateway closed the connection'))
    return 0
  },
})

/** `TIME TEXT`; on a terminal also who wrote it. */
function inText(io: Io, line: string): string {
  const message = parseJson(line)
  const fields = new Map<string, unknown>(typeof message === 'object' && message !== null ? Object.entries(message) : [])
  const time = paint(io, 'dim', String(fields.get('timestamp') ?? ''), 'stdout')
  return `${time} ${paint(io, 'cyan', String(fields.get('instance') ?? ''), 'stdout')} ${String(fields.get('text') ?? '').replace(/\n$/, '')}\n`
}

function readCount(text: string | undefined): string | undefined {
  if (text === undefined || /^[1-9][0-9]{0,8}$/.test(text)) return text
  throw new BrambleError('INVALID', `--lines "${text}" is not a number of lines`)
}

function readSince(duration: string | undefined, time: string | undefined): string | undefined {
  if (duration !== undefined && time !== undefined) throw new BrambleError('INVALID', 'use --since or --since-time, not both')
  if (duration !== undefined) return new Date(Date.now() - parseDuration(duration, '--since')).toISOString()
  if (time === undefined) return undefined
  const date = new Date(time)
  if (Number.isNaN(date.getTime())) throw new BrambleError('INVALID', `--since-time "${time}" is not a time like 2026-01-31T12:00:00Z`)
  return date.toISOString()
}
