/** `bramble cron list` */
import { BrambleError } from '../lib/errors.ts'
import { failure } from './client.ts'
import { createCommand, takeArguments, type Io } from './command.ts'
import { formatDuration } from './duration.ts'
import { asList, asMap, asText, parseJson } from './status.ts'
import { gatewayOptions, openGateway, stackOptions } from './target.ts'
import { paint, print, table } from './terminal.ts'

export const cron = createCommand({
  name: 'cron',
  usage: 'list [options]',
  summary: 'shows the schedules of functions, with their last and next runs',
  options: {
    gateway: gatewayOptions.gateway,
    namespace: { ...gatewayOptions.namespace, meaning: 'the schedules of this namespace' },
    yaml: stackOptions.yaml,
    envsubst: stackOptions.envsubst,
    json: { type: 'boolean', meaning: 'the list as JSON, as the gateway sent it' },
  },
  async run({ options, args, io }) {
    const [what] = takeArguments('cron', 'list [options]', args, 1)
    if (what !== 'list') throw new BrambleError('INVALID', `cron does not know "${what}": bramble cron list`)
    const client = await openGateway(io, options)
    const reply = await client.system('GET', '/system/cron', { query: { namespace: options.namespace } })
    if (reply.status !== 200) throw failure(reply)
    const list = parseJson(reply.text)
    if (options.json) print(io, JSON.stringify(list, undefined, 2))
    else print(io, table([['NAME', 'SCHEDULE', 'TIME ZONE', 'NEXT', 'LAST', 'OUTCOME'], ...asList(list).map((one) => rowOf(io, asMap(one)))]))
    return 0
  },
})

type Fields = ReturnType<typeof asMap>

function rowOf(io: Io, status: Fields): readonly string[] {
  const last = asMap(status.get('lastRun'))
  const outcome = outcomeOf(last)
  return [
    asText(status.get('name')), asText(status.get('schedule')), asText(status.get('timezone')), when(status.get('nextRun')),
    when(last.get('due')), last.get('outcome') === 'failed' ? paint(io, 'red', outcome, 'stdout') : outcome,
  ]
}

/** Whole seconds, in UTC. */
function when(time: unknown): string {
  return asText(time).replace('T', ' ').replace(/\.\d+Z$/, 'Z') || '-'
}

/** `ok 200 in 35 ms`, `failed: connection refused`. */
function outcomeOf(run: Fields): string {
  const [outcome, error, ended] = ['outcome', 'error', 'ended'].map((name) => asText(run.get(name)))
  if (error) return `${outcome}: ${error}`
  const status = run.has('status') ? ` ${String(run.get('status'))}` : ''
  const took = ended ? ` in ${formatDuration(Date.parse(ended) - Date.parse(asText(run.get('started'))))}` : ''
  return `${outcome}${status}${took}`
}
