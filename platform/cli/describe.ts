/** `bramble describe` */
import { BrambleError } from '../lib/errors.ts'
import { createCommand, takeArguments, type Io } from './command.ts'
import { formatDuration } from './duration.ts'
import { readStatus, type Status } from './status.ts'
import { functionRef, functionUrl, gatewayOptions, openGateway, stackOptions } from './target.ts'
import { paint, print, table } from './terminal.ts'

export const describe = createCommand({
  name: 'describe',
  usage: 'NAME [options]',
  summary: 'shows one function: replicas, use of memory, what is wrong with it',
  options: {
    ...gatewayOptions,
    yaml: stackOptions.yaml,
    envsubst: stackOptions.envsubst,
    json: { type: 'boolean', meaning: 'the status as JSON, as the gateway sent it' },
  },
  async run({ options, args, io }) {
    const [name = ''] = takeArguments('describe', 'NAME', args, 1)
    const client = await openGateway(io, options)
    const ref = functionRef(name, options.namespace)
    const status = await readStatus(client, ref, true)
    if (status === undefined) {
      throw new BrambleError('NOT_FOUND', `there is no function ${name} on ${client.url}: "bramble list" shows what there is`)
    }
    if (options.json) print(io, JSON.stringify(status.json, undefined, 2))
    else print(io, inLines(io, status, functionUrl(client.url, ref)))
    return 0
  },
})

function inLines(io: Io, status: Status, url: string): string {
  const map = (entries: Readonly<Record<string, string>>): string =>
    Object.entries(entries).map(([key, value]) => `${key}=${value}`).join(', ')
  const state = status.replicas === 0 ? 'Asleep' : status.availableReplicas > 0 ? 'Ready' : 'Not ready'
  const ageMs = Date.now() - new Date(status.createdAt).getTime()
  const rows: readonly (readonly [string, string])[] = [
    ['Name', status.name],
    ['Namespace', status.namespace],
    ['Status', paint(io, state === 'Ready' ? 'green' : 'yellow', state, 'stdout')],
    ['Replicas', String(status.replicas)],
    ['Ready', String(status.availableReplicas)],
    ['Image', status.image],
    ['Process', status.envProcess],
    ['URL', url],
    ['Created', Number.isNaN(ageMs) ? '' : `${status.createdAt} (${formatDuration(Math.max(0, ageMs))} ago)`],
    ['Memory', status.usage ? `${(status.usage.totalMemoryBytes / 2 ** 20).toFixed(1)} MiB` : ''],
    ['CPU', status.usage ? `${status.usage.cpu.toFixed(1)} m (thousandths of a core)` : ''],
    ['Limits', map(status.limits)],
    ['Requests', map(status.requests)],
    ['Labels', map(status.labels)],
    ['Annotations', map(status.annotations)],
    ['Environment', map(status.envVars)],
    ['Secrets', status.secrets.join(', ')],
    ['Constraints', status.constraints.join(', ')],
  ]
  const shown = table(rows.filter(([, value]) => value !== '').map(([key, value]) => [`${key}:`, value]))
  const wrong = status.conditions.map(({ reason, message, lastLines }) => [
    `${paint(io, 'red', `${reason}:`, 'stdout')} ${message}`, ...lastLines.map((line) => `    ${line.trimEnd()}`),
  ].join('\n'))
  return [shown, ...wrong].join('\n\n')
}
