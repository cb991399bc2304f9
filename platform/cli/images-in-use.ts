/** The images that functions need: of a gateway in all its namespaces, and of a stack file. */
import { parseReference, type Reference } from '../image/reference.ts'
import type { StackFile } from '../stack/read-stack.ts'
import { failure, type Client } from './client.ts'
import { listStatus, parseJson } from './status.ts'

/** Fails when the gateway does not tell all: what it does not name would be taken for unused. */
export async function imagesInUse(client: Client, stack: StackFile | undefined): Promise<readonly Reference[]> {
  const images = new Set(stack?.functions.map(({ image }) => image))
  for (const namespace of await listNamespaces(client)) {
    for (const { image } of await listStatus(client, namespace)) images.add(image)
  }
  return [...images].map(parseReference)
}

/** A gateway without namespaces has the default one. */
async function listNamespaces(client: Client): Promise<readonly (string | undefined)[]> {
  const reply = await client.system('GET', '/system/namespaces')
  if (reply.status === 404 || reply.status === 501) return [undefined]
  if (reply.status !== 200) throw failure(reply)
  const list = parseJson(reply.text)
  const names = (Array.isArray(list) ? list : []).filter((name: unknown): name is string => typeof name === 'string')
  return names.length > 0 ? names : [undefined]
}
