/** `bramble queue` */
import { BrambleError } from '../lib/errors.ts'
import { failure, type Client } from './client.ts'
import { createCommand, takeArguments } from './command.ts'
import { isAccepted } from './rollout.ts'
import { asList, asMap, asText, parseJson } from './status.ts'
import { gatewayOptions, openGateway, stackOptions } from './target.ts'
import { print, table } from './terminal.ts'

const USAGE = 'list | dead [NAME] | redrive ID | delete ID | redrive --all [NAME] | delete --all [NAME] | cancel CALL-ID [options]'

export const queue = createCommand({
  name: 'queue',
  usage: USAGE,
  summary: 'shows what asynchronous calls wait and which were given up; gives them another try, or ends them',
  options: {
    gateway: gatewayOptions.gateway,
    namespace: { ...gatewayOptions.namespace, meaning: 'the queues of this namespace' },
    yaml: stackOptions.yaml,
    envsubst: stackOptions.envsubst,
    all: { type: 'boolean', meaning: 'redrives or deletes all that were given up, of one function when it is named' },
    json: { type: 'boolean', meaning: 'lists as JSON, as the gateway sent them' },
  },
  async run({ options, args, io }) {
    const [what, name] = takeArguments('queue', USAGE, args, 1, args[0] === 'list' ? 1 : 2)
    const client = await openGateway(io, options)
    if (what === 'list' || what === 'dead') {
      const list = what === 'list' ? await get(client, '/system/queue', { namespace: options.namespace })
        : await deadLetters(client, { namespace: options.namespace, name })
      print(io, options.json ? JSON.stringify(list, undefined, 2)
        : table(what === 'list' ? queueRows(list.map(asMap)) : deadRows(list.map(asMap))))
      return 0
    }
    if (options.all) {
      const count = await changeAll(client, what, { namespace: options.namespace, name })
      print(io, `${count} ${count === 1 ? 'call' : 'calls'} ${what === 'redrive' ? 'due again' : 'deleted'}`)
      return 0
    }
    if (name === undefined) takeArguments('queue', USAGE, args, 2)
    const reply = await change(client, what, encodeURIComponent(name ?? ''))
    if (!isAccepted(reply.status)) throw failure(reply)
    print(io, `${name}: ${what === 'redrive' ? 'due again' : what === 'delete' ? 'deleted' : 'cancelled'}`)
    return 0
  },
})

type Fields = ReturnType<typeof asMap>
type Query = Readonly<Record<string, string | undefined>>

/** The most that the gateway answers at a time. */
const PAGE_LETTERS = 1_000
/** Changes under way at once: they share a sync of the queue's disk. */
const AT_ONCE = 64

async function get(client: Client, path: string, query: Query): Promise<readonly unknown[]> {
  const reply = await client.system('GET', path, { query })
  if (reply.status !== 200) throw failure(reply)
  return asList(parseJson(reply.text))
}

async function deadLetters(client: Client, query: Query): Promise<readonly unknown[]> {
  const letters: unknown[] = []
  for (;;) {
    const after = letters.length > 0 ? asText(asMap(letters.at(-1)).get('id')) : undefined
    const page = await get(client, '/system/queue/dead', { ...query, limit: String(PAGE_LETTERS), after })
    letters.push(...page)
    if (page.length < PAGE_LETTERS) break
  }
  return letters.filter((one) => query['namespace'] === undefined || asText(asMap(one).get('namespace')) === query['namespace'])
}

/** How many there were. One that somebody else has ended meanwhile is none. */
async function changeAll(client: Client, what: string | undefined, query: Query): Promise<number> {
  if (what !== 'redrive' && what !== 'delete') throw new BrambleError('INVALID', `--all is for redrive and delete: bramble queue ${USAGE}`)
  const ids = (await deadLetters(client, query)).map((one) => asText(asMap(one).get('id')))
  let count = 0
  for (let from = 0; from < ids.length; from += AT_ONCE) {
    await Promise.all(ids.slice(from, from + AT_ONCE).map(async (id) => {
      const reply = await change(client, what, encodeURIComponent(id))
      if (isAccepted(reply.status)) count++
      else if (reply.status !== 404) throw failure(reply)
    }))
  }
  return count
}

function change(client: Client, what: string | undefined, id: string): ReturnType<Client['system']> {
  if (what === 'redrive') return client.system('POST', `/system/queue/dead/${id}`)
  if (what === 'delete') return client.system('DELETE', `/system/queue/dead/${id}`)
  if (what === 'cancel') return client.system('DELETE', `/async-function/${id}`)
  throw new BrambleError('INVALID', `queue does not know "${what}": bramble queue ${USAGE}`)
}

function queueRows(list: readonly Fields[]): readonly (readonly string[])[] {
  return [['NAME', 'WAITING', 'DELAYED', 'RUNNING', 'GIVEN UP'], ...list.map((one) => [
    asText(one.get('name')), String(Number(one.get('pending')) - Number(one.get('inFlight'))),
    ...['delayed', 'inFlight', 'dead'].map((field) => String(one.get(field))),
  ])]
}

function deadRows(list: readonly Fields[]): readonly (readonly string[])[] {
  return [['ID', 'NAME', 'CALL-ID', 'TRIES', 'SINCE', 'REASON'], ...list.map((one) => [
    asText(one.get('id')), `${asText(one.get('name'))}${one.get('kind') === 'callback' ? ' (callback)' : ''}`, asText(one.get('callId')),
    String(one.get('attempts')), asText(one.get('diedAt')).replace('T', ' ').replace(/\.\d+Z$/, 'Z'), asText(one.get('reason')),
  ])]
}
