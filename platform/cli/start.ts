/** `bramble start` */
import { reasonOf } from '../lib/errors.ts'
import { build, tellEvent } from './build.ts'
import { createClient } from './client.ts'
import { createCommand, takeArguments, type Io } from './command.ts'
import { basicHeader } from './credentials.ts'
import { deployFunctions, type Deployed } from './deploy-functions.ts'
import { DEFAULT_GATEWAY, chosenFunctions, openStack, stackOptions } from './target.ts'
import { paint, print, table, tell } from './terminal.ts'
import { readVersion } from './version.ts'
import { watchAndDeploy } from './watch-and-deploy.ts'

export const start = createCommand({
  name: 'start',
  usage: '[options]',
  summary: 'starts the platform on this machine with the functions of the stack file, until Ctrl-C',
  details: 'Settings are environment variables, as in "port=9000 bramble start": the README lists them.',
  options: {
    ...stackOptions,
    watch: { type: 'boolean', meaning: 'build and deploy again what changes' },
    'skip-build': { type: 'boolean', meaning: 'deploy what is built already' },
  },
  async run({ options, args, io }) {
    takeArguments('start', '[options]', args, 0)
    // Before anything runs: a missing or wrong stack file is one line.
    const stack = await openStack(io, options)
    const functions = stack.functions.length === 0 ? [] : chosenFunctions(stack, options, [])
    const isSubstituted = options.envsubst !== false
    if (!options['skip-build']) {
      const names = functions.map(({ name }) => name)
      const isBuilt = await build(io, { stackFile: stack.path, functions: names, isSubstituted }, (event) => {
        if (event.event === 'failed') tellEvent(io, event)
      })
      if (!isBuilt) return 1
    }

    const version = readVersion()
    const stopped = new AbortController()
    let work: Promise<unknown> | undefined
    const { main } = await import('../main.ts')
    const code = await main({ ...io.env }, {
      version,
      onReady({ gatewayUrl, metricsUrl, user, password, isNewPassword }) {
        const credentials = password === undefined ? [] : [{ header: basicHeader(user, password), origin: 'this start' }]
        const client = createClient({ url: gatewayUrl, userAgent: `bramble/${version.release}`, credentials })
        // Not awaited: Ctrl-C stops the platform also while functions are still starting.
        work = (async () => {
          const deployed = await deployFunctions(io, client, stack, functions, { makesSecrets: true, signal: stopped.signal })
          if (stopped.signal.aborted) return
          announce(io, { gatewayUrl, metricsUrl, release: version.release, deployed })
          if (isNewPassword && password !== undefined) {
            print(io, `Password of user ${user}: ${paint(io, 'bold', password, 'stdout')} (made now and shown only once; bramble finds it by itself)`)
          }
          if (gatewayUrl !== DEFAULT_GATEWAY) print(io, `In other terminals:  export OPENFAAS_URL=${gatewayUrl}`)
          print(io, 'Ctrl-C stops everything.\n')
          if (!options.watch) return
          await watchAndDeploy(io, client, {
            openStack: () => openStack(io, { ...options, yaml: stack.path }),
            selection: { filter: options.filter, regex: options.regex },
            isSubstituted, isDeployed: true, makesSecrets: true, signal: stopped.signal,
          })
        })().catch((error: unknown) => { tell(io, paint(io, 'red', reasonOf(error))) })
      },
    })
    stopped.abort()
    await work
    return code
  },
})

type News = {
  readonly gatewayUrl: string
  readonly metricsUrl: string
  readonly release: string
  readonly deployed: readonly Deployed[]
}

function announce(io: Io, { gatewayUrl, metricsUrl, release, deployed }: News): void {
  print(io, `\n${paint(io, 'bold', `Bramble ${release}`, 'stdout')} runs at ${gatewayUrl}, metrics at ${metricsUrl}/metrics\n`)
  print(io, table(deployed.map(({ name, url, isReady }) =>
    [`  ${name}`, isReady ? url : `${url}  ${paint(io, 'red', '(not ready)', 'stdout')}`])))
  const first = deployed.find(({ isReady }) => isReady)
  if (first) print(io, `\nTry it:  curl ${first.url}`)
  print(io, '')
}
