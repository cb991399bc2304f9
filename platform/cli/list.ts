/** `bramble list` */
import { createCommand, takeArguments } from './command.ts'
import { listStatus, type Status } from './status.ts'
import { gatewayOptions, openGateway, stackOptions } from './target.ts'
import { paint, print, table } from './terminal.ts'

export const list = createCommand({
  name: 'list',
  usage: '[options]',
  summary: 'shows the deployed functions',
  options: {
    gateway: gatewayOptions.gateway,
    namespace: { ...gatewayOptions.namespace, meaning: 'the functions of this namespace' },
    yaml: stackOptions.yaml,
    envsubst: stackOptions.envsubst,
    json: { type: 'boolean', meaning: 'the list as JSON, as the gateway sent it' },
    quiet: { type: 'boolean', short: 'q', meaning: 'only the names' },
  },
  async run({ options, args, io }) {
    takeArguments('list', '[options]', args, 0)
    const client = await openGateway(io, options)
    const functions = (await listStatus(client, options.namespace)).toSorted((a, b) => a.name < b.name ? -1 : 1)
    if (options.json) print(io, JSON.stringify(functions.map(({ json }) => json), undefined, 2))
    else if (options.quiet) for (const { name } of functions) print(io, name)
    else print(io, table([['NAME', 'READY', 'CALLS', 'IMAGE', ''], ...functions.map((one) => [
      one.name, readiness(one), String(one.invocationCount), one.image,
      paint(io, 'red', one.conditions[0]?.reason ?? '', 'stdout'),
    ])]))
    return 0
  },
})

/** `1/1`; a function that sleeps is `0/0`. */
export function readiness(status: Status): string {
  return `${status.availableReplicas}/${status.replicas}`
}
