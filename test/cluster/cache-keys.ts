/** Keys in the cache of a cluster: which are there, how many each pod has, and what becomes of calls under load. */
import * as assert from 'node:assert/strict'
import { textAt } from '../../platform/provider/kubernetes/json.ts'
import { eventually } from '../kit.ts'
import { callService, type Reply } from '../kill/service-call.ts'
import type { ServicesOnCluster } from './services-on-cluster.ts'

const AT_ONCE = 10
/** A busy machine may lose a turn of a kubelet. */
const PATIENCE_MS = 120_000

export type CacheKeys = {
  put(keys: readonly string[]): Promise<void>
  /** Those of the keys that are there. */
  present(): Promise<ReadonlySet<string>>
  /** The same twice in a row, with `isChanged`: all of the gateway have heard of it. */
  settled(isChanged: (found: ReadonlySet<string>) => boolean): Promise<ReadonlySet<string>>
  /** Entries by the name of the pod. */
  entries(): Promise<ReadonlyMap<string, number>>
  /** Reads without a pause until it is stopped; answers how many calls were answered, and those that failed. */
  readUntilStopped(): { stop(): Promise<{ readonly answered: number; readonly failures: readonly string[] }> }
}

export function createCacheKeys({ target, pods }: ServicesOnCluster, keys: readonly string[]): CacheKeys {
  const cache = target('cache')
  const pathOf = (key: string): string => `/v1/users/keys/${key}`
  const present = async (): Promise<ReadonlySet<string>> => {
    const found = new Set<string>()
    await each(keys, async (key) => {
      const reply = await untilAnswered(() => callService(cache, 'GET', pathOf(key)))
      assert.ok([200, 404].includes(reply.status), reply.text)
      if (reply.status === 200) found.add(key)
    })
    return found
  }
  return {
    present,
    put: (some) => each(some, async (key) => {
      const reply = await untilAnswered(() => callService(cache, 'PUT', pathOf(key), { json: key }))
      assert.ok([201, 204].includes(reply.status), `${reply.status} ${reply.text}`)
    }),
    settled(isChanged) {
      let before: ReadonlySet<string> | undefined
      return eventually('the change is everywhere', async () => {
        const found = await present()
        const isSettled = isChanged(found) && before !== undefined && found.size === before.size && found.isSubsetOf(before)
        before = found
        return isSettled && found
      }, PATIENCE_MS)
    },
    async entries() {
      const pairs = await Promise.all((await pods('cache')).map(async (pod) => {
        const reply = await callService({ ...cache, url: `http://${textAt(pod, 'status', 'podIP')}:8080` }, 'GET', '/v1/stats')
        const stats: unknown = reply?.body
        assert.ok(typeof stats === 'object' && stats !== null && 'entries' in stats, `no statistics: ${reply?.text}`)
        return [textAt(pod, 'metadata', 'name') ?? '', Number(stats.entries)] as const
      }))
      return new Map(pairs)
    },
    readUntilStopped() {
      let isOver = false
      let answered = 0
      const failures: string[] = []
      const readers = Array.from({ length: AT_ONCE }, async (_, reader) => {
        for (let i = reader; !isOver; i += AT_ONCE) {
          const reply = await callService(cache, 'GET', pathOf(keys[i % keys.length] ?? ''))
          if (reply?.status === 200 || reply?.status === 404) answered++
          else failures.push(reply === undefined ? 'no answer' : `${reply.status} ${reply.text}`)
        }
      })
      return {
        async stop() {
          isOver = true
          await Promise.all(readers)
          return { answered, failures }
        },
      }
    },
  }
}

export function sum(entries: ReadonlyMap<string, number>): number {
  return [...entries.values()].reduce((all, one) => all + one, 0)
}

async function untilAnswered(call: () => Promise<Reply | undefined>): Promise<Reply> {
  return eventually('the cache answers', async () => {
    const reply = await call()
    return reply !== undefined && reply.status > 0 && reply.status < 500 && reply
  }, PATIENCE_MS)
}

async function each<T>(all: readonly T[], body: (one: T) => Promise<void>): Promise<void> {
  const left = [...all]
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (let one = left.pop(); one !== undefined; one = left.pop()) await body(one)
  }))
}
