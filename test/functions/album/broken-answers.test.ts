/** Answers that break off in the middle: whoever was asked is killed then. */
import * as assert from 'node:assert/strict'
import { createCachedText } from '../../../functions/album/cached-text.ts'
import { createCleanUp } from '../../../functions/album/clean-up.ts'
import { jsonOf, type Services } from '../../../functions/album/services.ts'
import { eventually, test } from '../../kit.ts'

/** Of status 200, and of its body the beginning only. */
function broken(headers: Record<string, string> = {}): Response {
  const chunks = [Buffer.from('{"id":')]
  return new Response(new ReadableStream({
    pull(controller) {
      const chunk = chunks.shift()
      if (chunk === undefined) controller.error(new TypeError('terminated'))
      else controller.enqueue(chunk)
    },
  }), { headers })
}

test('the nightly job is asked for again when the answer to it breaks off', async () => {
  const answers = [broken(), Response.json({ id: 'job_1' })]
  const call: Services = async () => answers.shift() ?? assert.fail('it is asked for once more')
  createCleanUp({ call, serviceToken: 'token', name: 'album', schedule: { pattern: '0 3 * * *', timezone: 'UTC' } }).makeJob()
  await eventually('it is made at the second try', () => answers.length === 0)
})

test('a list that breaks off on its way out of the cache is made anew, and what breaks off at another service is for later', async () => {
  const lists = createCachedText(async () => broken(), 'token')
  assert.deepEqual(await lists.get('usr_ada', 'call', async () => 'made'), { text: 'made', isHit: false })
  await lists.forget('usr_ada', 'call')
  await assert.rejects(jsonOf(broken()), { status: 503 })
})

test('a cache that breaks off while a list is kept in it costs nothing', async () => {
  const failing = new Response(new ReadableStream({ start: (controller) => controller.error(new TypeError('terminated')) }))
  const lists = createCachedText(async (_path, { method }) => method === 'PUT' ? failing : new Response('', { status: 404, headers: { 'cache-lease': 'one' } }), 'token')
  assert.deepEqual(await lists.get('usr_ada', 'call', async () => 'made'), { text: 'made', isHit: false })
  await createCachedText(async () => failing, 'token').forget('usr_ada', 'call')
})
