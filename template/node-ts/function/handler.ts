/** Answers a call. What is returned is the answer: text, bytes, or anything else as JSON; a throw is a 500. */
import type { Context, Event } from '@bramble/runtime'

export default async function handler(event: Event, context: Context): Promise<unknown> {
  context.log.info('called', { method: event.method, path: event.path })
  return { received: event.body ?? null }
}
