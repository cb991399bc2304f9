/**
 * An album of photos. People sign up and log in at the auth service, their photos lie at the files service, lists of them in the cache,
 * the scheduler calls at night; this function puts these together, and has a page.
 */
import { type FetchHandler, HttpError } from '@bramble/runtime'
import { isSameText, serviceToken as readServiceToken } from '@bramble/runtime/service/token'
import { createCachedText } from './cached-text.ts'
import { createCleanUp } from './clean-up.ts'
import { bearerIn, createIdentify } from './people.ts'
import { createPhotos } from './photos.ts'
import { page } from './page.ts'
import { createServices } from './services.ts'

const setting = (name: string, fallback: string): string => process.env[name] || fallback
const gatewayUrl = setting('gateway_url', 'http://gateway.openfaas:8080')
const serviceToken = readServiceToken()

const call = createServices(gatewayUrl)
const photos = createPhotos(call)
const lists = createCachedText(call, serviceToken)
const identify = createIdentify({
  authUrl: `${gatewayUrl}/function/auth`, issuer: setting('issuer', 'http://127.0.0.1:8080/function/auth'), audience: setting('audience', 'bramble'),
})
const cleanUp = createCleanUp({
  call, serviceToken, name: 'album', schedule: { pattern: setting('clean_up', '0 3 * * *'), timezone: setting('timezone', 'UTC') },
})
cleanUp.makeJob()

/** Not drawings: an SVG may have scripts in it. Files looks at the bytes. */
const photoType = /^image\/(?:jpeg|png|gif|webp|avif|heic|heif|bmp|tiff)$/

export default {
  async fetch(request, { callId, log }) {
    const { pathname } = new URL(request.url)
    const name = /^\/photos\/([^/]+)$/.exec(pathname)?.[1]
    const token = bearerIn(request) ?? ''
    const what = `${request.method} ${name === undefined ? pathname : '/photos/NAME'}`

    if (what === 'GET /') return page()
    if (what === 'GET /photos') {
      const person = await identify(request)
      const { text, isHit } = await lists.get(person, callId, async () => JSON.stringify({ items: await photos.list({ token, callId }) }))
      return new Response(text, { headers: { 'content-type': 'application/json', 'cache-control': 'no-store', 'cache-status': `album; ${isHit ? 'hit' : 'fwd=miss'}` } })
    }
    if (what === 'PUT /photos/NAME' || what === 'DELETE /photos/NAME') {
      const person = await identify(request)
      const contentType = request.headers.get('content-type') ?? ''
      if (request.method === 'PUT' && !photoType.test(contentType)) throw new HttpError(415, 'this is an album of photos: send an image')
      const photo = nameIn(name ?? '')
      const answer = await (request.method === 'PUT' ? photos.put({ token, callId }, photo, contentType, request.body) : photos.remove({ token, callId }, photo))
      if (answer.ok) {
        await lists.forget(person, callId)
        log.info(request.method === 'PUT' ? 'photo added' : 'photo deleted', { person, photo })
      }
      return new Response(answer.body, { status: answer.status, headers: { 'content-type': answer.headers.get('content-type') ?? 'text/plain' } })
    }
    if (what === 'POST /clean-up') {
      if (!isSameText(token, serviceToken)) throw new HttpError(401, 'show the service token')
      const run = { run: request.headers.get('x-scheduler-run'), fence: Number(request.headers.get('x-scheduler-fence')) }
      log.info('clean-up begins', run)
      const people = await cleanUp.run(callId)
      log.info('clean-up ended', { ...run, people })
      return Response.json({ people })
    }
    throw new HttpError(404, `there is no ${what} here`)
  },
} satisfies FetchHandler

function nameIn(segment: string): string {
  try {
    const name = decodeURIComponent(segment)
    if (!name.includes('/')) return name
  } catch {
    throw new HttpError(400, 'the name cannot be decoded: write UTF-8 as %XX')
  }
  throw new HttpError(400, 'the name must not have a "/": there are no folders in an album')
}
