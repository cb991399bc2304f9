/** `bramble up` */
import { build, tellEvent } from './build.ts'
import { createCommand } from './command.ts'
import { deployFunctions } from './deploy-functions.ts'
import { parseDuration } from './duration.ts'
import { chosenFunctions, gatewayOptions, openGateway, openStack, stackOptions } from './target.ts'

export const up = createCommand({
  name: 'up',
  usage: '[NAME…] [options]',
  summary: 'builds the functions of a stack file, deploys them, and waits until they serve',
  options: {
    ...gatewayOptions,
    ...stackOptions,
    'skip-build': { type: 'boolean', meaning: 'deploy what is built already' },
    timeout: { type: 'string', value: 'DURATION', meaning: 'how long to wait for the new versions (60s)' },
  },
  async run({ options, args, io }) {
    const timeoutMs = options.timeout === undefined ? undefined : parseDuration(options.timeout, '--timeout')
    const stack = await openStack(io, options)
    const chosen = chosenFunctions(stack, options, args)
    const unbuilt = new Set<string>()
    let isBuilt = true
    if (!options['skip-build']) {
      const names = chosen.map(({ name }) => name)
      isBuilt = await build(io, { stackFile: stack.path, functions: names, isSubstituted: options.envsubst !== false }, (event) => {
        if (event.event === 'failed') unbuilt.add(event.function)
        // The stack file has been read here already, and its warnings told.
        if (event.event !== 'warning' || event.function) tellEvent(io, event)
      })
      // A failure that belongs to no function is about all of them.
      if (unbuilt.has('') || (!isBuilt && unbuilt.size === 0)) return 1
    }
    const client = await openGateway(io, options, stack)
    const results = await deployFunctions(io, client, stack, chosen.filter(({ name }) => !unbuilt.has(name)), {
      namespace: options.namespace, timeoutMs,
    })
    return isBuilt && results.every(({ isReady }) => isReady) ? 0 : 1
  },
})
