/** `bramble dev` */
import { createCommand } from './command.ts'
import { chosenFunctions, gatewayOptions, openGateway, openStack, stackOptions } from './target.ts'
import { watchAndDeploy } from './watch-and-deploy.ts'

export const dev = createCommand({
  name: 'dev',
  usage: '[NAME…] [options]',
  summary: 'builds and deploys, and again what changes, until Ctrl-C',
  options: { ...gatewayOptions, ...stackOptions },
  async run({ options, args, io }) {
    const stack = await openStack(io, options)
    chosenFunctions(stack, options, args)
    const client = await openGateway(io, options, stack)
    const isWell = await watchAndDeploy(io, client, {
      openStack: () => openStack(io, { ...options, yaml: stack.path }),
      selection: { filter: options.filter, regex: options.regex, names: args },
      namespace: options.namespace,
      isSubstituted: options.envsubst !== false,
      isDeployed: false,
      signal: io.interrupted(),
    })
    return isWell ? 0 : 1
  },
})
