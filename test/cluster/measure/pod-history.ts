/** When pods of functions came to be, by the wall clock in milliseconds; the API itself keeps whole seconds. */
import { join } from 'node:path'
import { readFileSync } from 'node:fs'
import { linesOf } from '../../../platform/provider/kubernetes/watch.ts'
import { objectAt, textAt, textsAt } from '../../../platform/provider/kubernetes/json.ts'
import { paths } from '../../../platform/provider/kubernetes/paths.ts'
import { FUNCTION_LABEL } from '../../../platform/provider/kubernetes/names.ts'
import { reasonOf } from '../../../platform/lib/errors.ts'
import type { Cluster } from '../cluster.ts'
import { FUNCTIONS, type Scene } from './measure.ts'

/** Moments at which the news reached us; a watch passes them on within a few milliseconds. */
export type PodHistory = {
  readonly uid: string
  readonly name: string
  readonly functionName: string
  readonly createdMs: number
  node: string | undefined
  scheduledMs: number | undefined
  /** The API knows its address. */
  addressMs: number | undefined
  isGone: boolean
}

export type PodHistories = Disposable & { readonly all: ReadonlyMap<string, PodHistory> }

const SILENCE_MS = 3_600_000

export async function followPods({ client }: Scene): Promise<PodHistories> {
  const all = new Map<string, PodHistory>()
  const stopping = new AbortController()
  const listed = await client.get(paths.pods(FUNCTIONS))
  const response = await client.open(paths.pods(FUNCTIONS), { watch: true, resourceVersion: textAt(listed, 'metadata', 'resourceVersion') }, stopping.signal)
  const follow = async (): Promise<void> => {
    for await (const line of linesOf(response, SILENCE_MS)) {
      const nowMs = Date.now()
      const event: unknown = JSON.parse(line)
      const pod = objectAt(event, 'object')
      const uid = textAt(pod, 'metadata', 'uid') ?? ''
      const known: PodHistory = all.get(uid) ?? {
        uid, name: textAt(pod, 'metadata', 'name') ?? '', functionName: textsAt(pod, 'metadata', 'labels')[FUNCTION_LABEL] ?? '',
        createdMs: nowMs, node: undefined, scheduledMs: undefined, addressMs: undefined, isGone: false,
      }
      all.set(uid, known)
      known.node ??= textAt(pod, 'spec', 'nodeName')
      if (known.node !== undefined) known.scheduledMs ??= nowMs
      if (textAt(pod, 'status', 'podIP') !== undefined) known.addressMs ??= nowMs
      if (textAt(event, 'type') === 'DELETED') known.isGone = true
    }
  }
  follow().catch((error: unknown) => { if (!stopping.signal.aborted) console.error(`pods are not followed any more: ${reasonOf(error)}`) })
  return { all, [Symbol.dispose]: () => stopping.abort() }
}

/** When the runtime said in its log that it serves. */
export function servingMs({ number }: Cluster, pod: PodHistory): number | undefined {
  const file = join('/var/tmp/bramble-cluster', number, 'nodes', pod.node ?? '', 'var-log/pods', `${FUNCTIONS}_${pod.name}_${pod.uid}`, pod.functionName, '0.log')
  const text = readFileSync(file, 'utf8')
  for (const line of text.split('\n')) {
    const [, said] = / std(?:out|err) [FP] (\{.*\})$/.exec(line) ?? []
    if (said === undefined) continue
    const entry: unknown = JSON.parse(said)
    if (textAt(entry, 'message') === 'ready') return Date.parse(textAt(entry, 'time') ?? '')
  }
  return undefined
}
