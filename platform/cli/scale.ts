/** `bramble scale` */
import { BrambleError } from '../lib/errors.ts'
import { failure } from './client.ts'
import { createCommand, takeArguments } from './command.ts'
import { parseDuration } from './duration.ts'
import { isAccepted, waitUntilReady } from './rollout.ts'
import { functionRef, gatewayOptions, openGateway, stackOptions } from './target.ts'
import { print } from './terminal.ts'

export const scale = createCommand({
  name: 'scale',
  usage: 'NAME REPLICAS [options]',
  summary: 'asks for so many replicas of a function, and waits for them',
  options: {
    ...gatewayOptions,
    yaml: stackOptions.yaml,
    envsubst: stackOptions.envsubst,
    timeout: { type: 'string', value: 'DURATION', meaning: 'how long to wait for the replicas (60s)' },
  },
  async run({ options, args, io }) {
    const [name = '', count = ''] = takeArguments('scale', 'NAME REPLICAS', args, 2)
    if (!/^[0-9]{1,6}$/.test(count)) throw new BrambleError('INVALID', `"${count}" is not a number of replicas`)
    const replicas = Number(count)
    const timeoutMs = options.timeout === undefined ? undefined : parseDuration(options.timeout, '--timeout')
    const client = await openGateway(io, options)
    const ref = functionRef(name, options.namespace)
    const reply = await client.system('POST', `/system/scale-function/${encodeURIComponent(ref.name)}`, {
      query: { namespace: ref.namespace },
      json: { serviceName: ref.name, replicas, ...(ref.namespace ? { namespace: ref.namespace } : {}) },
    })
    if (!isAccepted(reply.status)) throw failure(reply)
    const status = await waitUntilReady(client, ref, { timeoutMs })
    print(io, status.replicas === 0 ? `${name}: asleep until it is called`
      : `${name}: ${status.replicas} replica${status.replicas === 1 ? '' : 's'} ready`)
    return 0
  },
})
