/** What `dev` and `start --watch` do: build with every change, and deploy what has become another program or setting. */
import { reasonOf } from '../lib/errors.ts'
import { selectFunctions, type Selection } from '../stack/filter.ts'
import type { StackFunction } from '../stack/parse-stack.ts'
import type { StackFile } from '../stack/read-stack.ts'
import { build, tellEvent, type BuildEvent } from './build.ts'
import type { Client } from './client.ts'
import type { Io } from './command.ts'
import { deployFunctions, deploymentOf } from './deploy-functions.ts'
import { paint, tell } from './terminal.ts'

export type WatchOptions = {
  readonly openStack: () => Promise<StackFile>
  readonly selection: Selection
  readonly namespace?: string | undefined
  readonly isSubstituted: boolean
  /** What is deployed already, as it is now. */
  readonly isDeployed: boolean
  readonly makesSecrets?: boolean
  readonly signal: AbortSignal
}

/** Goes on until `signal`. Answers whether the watch itself worked; a failed build or deployment is only told. */
export async function watchAndDeploy(io: Io, client: Client, options: WatchOptions): Promise<boolean> {
  let stack = await options.openStack()
  let functions: readonly StackFunction[] = []
  const deployed = new Map<string, string | undefined>()
  const rebuilt = new Set<string>()
  const unbuilt = new Set<string>()
  let isFirst = true

  /** `undefined` when they cannot be read: deploying it then tells why. */
  const settingsOf = (one: StackFunction): Promise<string | undefined> =>
    deploymentOf(stack, one, options.namespace).then((body) => JSON.stringify(body), () => undefined)
  const select = (): void => { functions = selectFunctions(stack.functions, options.selection) }
  select()
  if (options.isDeployed) for (const one of functions) deployed.set(one.name, await settingsOf(one))

  const reload = async (): Promise<void> => {
    stack = await options.openStack()
    const before = functions
    select()
    for (const { name } of before) {
      if (functions.some((one) => one.name === name)) continue
      deployed.delete(name)
      tell(io, paint(io, 'yellow', `${name} has left the stack file and still runs: remove it with "bramble remove ${name}"`))
    }
  }
  const roll = async (): Promise<void> => {
    const due: { one: StackFunction; settings: string | undefined }[] = []
    for (const one of functions) {
      if (unbuilt.has(one.name)) continue
      const settings = await settingsOf(one)
      if (rebuilt.has(one.name) || settings === undefined || deployed.get(one.name) !== settings) due.push({ one, settings })
    }
    rebuilt.clear()
    for (const { one, settings } of due) deployed.set(one.name, settings)
    const results = await deployFunctions(io, client, stack, due.map(({ one }) => one), options)
    // What failed is tried again with the next change, whatever it is.
    for (const { name, isReady } of results) if (!isReady) deployed.delete(name)
  }
  const onEvent = async (event: BuildEvent): Promise<void> => {
    switch (event.event) {
      case 'function':
        unbuilt.delete(event.function)
        if (event.isChanged) rebuilt.add(event.function)
        if (event.isChanged || isFirst) tellEvent(io, event)
        return
      case 'failed':
        unbuilt.add(event.function)
        return tellEvent(io, event)
      case 'stack': return reload()
      case 'done':
        isFirst = false
        return roll()
      case 'watching': return tell(io, paint(io, 'dim', 'watching for changes: Ctrl-C ends'))
    }
  }

  const isDone = await build(io, {
    stackFile: stack.path, functions: options.selection.names ?? [], isSubstituted: options.isSubstituted,
    isWatching: true, signal: options.signal,
  }, (event) => onEvent(event).catch((error: unknown) => tell(io, paint(io, 'red', reasonOf(error)))))
  return isDone || options.signal.aborted
}
