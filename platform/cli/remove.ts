/** `bramble remove` */
import { BrambleError, reasonOf } from '../lib/errors.ts'
import { failure } from './client.ts'
import { createCommand } from './command.ts'
import { isAccepted } from './rollout.ts'
import { chosenFunctions, functionRef, gatewayOptions, openGateway, openStack, stackOptions } from './target.ts'
import { paint, print, tell } from './terminal.ts'

export const remove = createCommand({
  name: 'remove',
  usage: 'NAME… | -f FILE [options]',
  summary: 'removes functions, or all of a stack file; calls in flight end first',
  options: { ...gatewayOptions, ...stackOptions },
  async run({ options, args, io }) {
    // Never everything because a stack file happens to lie here: -f must be said.
    if (args.length === 0 && options.yaml === undefined) {
      throw new BrambleError('INVALID', 'name the functions to remove, or -f FILE for all of a stack file')
    }
    if (args.length > 0 && (options.filter || options.regex)) {
      throw new BrambleError('INVALID', 'use names, or -f FILE with --filter or --regex, not both')
    }
    const stack = options.yaml === undefined ? undefined : await openStack(io, options)
    const client = await openGateway(io, options, stack)
    const refs = stack
      ? chosenFunctions(stack, options, args).map((one) => ({ name: one.name, namespace: options.namespace ?? one.namespace }))
      : args.map((name) => functionRef(name, options.namespace))

    let failed = 0
    for (const ref of refs) {
      try {
        const reply = await client.system('DELETE', '/system/functions', {
          json: { functionName: ref.name, ...(ref.namespace ? { namespace: ref.namespace } : {}) },
        })
        if (!isAccepted(reply.status)) throw failure(reply)
        print(io, `${ref.name}: removed`)
      } catch (error) {
        failed++
        tell(io, paint(io, 'red', `${ref.name}: ${reasonOf(error)}`))
      }
    }
    return failed > 0 ? 1 : 0
  },
})
