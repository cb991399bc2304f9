/**
 * What a person does with the album, and what follows of it: one script for the local platform and for the cluster, calm or while services
 * are killed. Each call is repeated as a client would; what was acknowledged once must be there at the end.
 */
import * as assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Upload } from 'tus-js-client'
import { shrinkJpeg } from '../../functions/thumbnail/jpeg.ts'
import { decoderModule } from '../../functions/thumbnail/decoder-module.ts'
import { itemsOf, isRecord, textIn } from '../../functions/album/shapes.ts'
import { eventually } from '../kit.ts'
import { callService, type CallOptions, type Reply } from '../kill/service-call.ts'

export type AlbumWorld = {
  /** Of the gateway. */
  readonly url: string
  readonly serviceToken: string
  /** What a function has written since it began, of replicas that are there. */
  logsOf(name: string): Promise<string>
  /** Services come and go: what comes from memory alone is not looked for. */
  readonly isCalm: boolean
}

export type Step = { readonly name: string; run(): Promise<void> }

const PATIENCE_MS = 240_000
/** After this somebody asks for another letter: the log that had the first one went with its replica. */
const LETTER_MS = 15_000
const THUMBNAIL_PIXELS = 320
const TUS_PAUSES_MS = Array.from({ length: 100 }, () => 1000)
const CHUNK_BYTES = 256 * 1024

export function albumSteps(world: AlbumWorld): readonly Step[] {
  const email = `ada-${randomBytes(4).toString('hex')}@example.org`
  const password = 'the analytical engine weaves'
  const callId = `album-${randomBytes(6).toString('hex')}`
  /** By name: what was acknowledged. */
  const kept = new Map<string, Buffer>()
  let token = ''

  const call = (path: string, method = 'GET', options: CallOptions & { readonly token?: string } = {}): Promise<Reply | undefined> =>
    callService({ url: `${world.url}/function/`, token: options.token ?? token }, method, path, options)
  /** Until an answer is one of those; one that a repetition would not change is a failure. */
  const until = async (what: string, statuses: readonly number[], ask: () => Promise<Reply | undefined>): Promise<Reply> => {
    let last: Reply | undefined
    return eventually(what, async () => {
      const reply = await ask()
      last = reply ?? last
      if (reply === undefined || reply.status === 0 || reply.status === 429 || reply.status >= 500) return false
      assert.ok(statuses.includes(reply.status), `${what}: ${reply.status} ${reply.text}`)
      return reply
    }, PATIENCE_MS).catch((error: unknown) => {
      throw new Error(`${error instanceof Error ? error.message : String(error)}; the last answer: ${last?.status} ${last?.text}`)
    })
  }
  /** The same for bytes. */
  const send = (path: string, method: string, body: Buffer | null, type = 'image/jpeg'): Promise<{ readonly status: number; readonly bytes: Buffer; readonly headers: Headers }> =>
    eventually(`${method} ${path}`, async () => {
      const answer = await fetch(`${world.url}/function/${path}`, {
        method, ...body && { body: new Uint8Array(body) }, headers: { authorization: `Bearer ${token}`, 'x-call-id': callId, ...body && { 'content-type': type } },
      }).then(async (found) => ({ status: found.status, headers: found.headers, bytes: Buffer.from(await found.arrayBuffer()) }), () => undefined)
      if (answer === undefined || answer.status === 429 || answer.status >= 500) return false
      return answer
    }, PATIENCE_MS)
  const add = async (name: string, path: string): Promise<void> => {
    const photo = await newPhoto()
    const { status, bytes } = await send(path, 'PUT', photo)
    assert.ok(status === 200 || status === 201, `${path}: ${status} ${bytes.toString()}`)
    kept.set(name, photo)
  }
  const listed = async (): Promise<{ readonly names: readonly string[]; readonly isHit: boolean }> => {
    const { status, bytes, headers } = await send('album/photos', 'GET', null)
    assert.equal(status, 200, bytes.toString())
    return { names: itemsOf(JSON.parse(bytes.toString())).map((item) => textIn(item, 'name')).sort(), isHit: headers.get('cache-status') === 'album; hit' }
  }

  return [
    { name: 'signs up', async run() {
      /** Codes that were not taken: of letters that another registration has made void. */
      const spent = new Set<string>()
      const newCode = async (): Promise<string | false> => codesIn(await world.logsOf('auth').catch(() => ''), email).findLast((one) => !spent.has(one)) ?? false
      for (let isIn = false; !isIn;) {
        await until('a registration', [202], () => call('auth/v1/register', 'POST', { json: { email, password } }))
        const code = await eventually('the letter is there', newCode, LETTER_MS).catch(() => undefined)
        if (code === undefined) continue
        spent.add(code)
        const reply = await until('a code is taken', [200, 400, 401, 404, 409, 410, 422], () => call('auth/v1/verify-email', 'POST', { json: { token: code, password } }))
        // The answer of the try that was taken may have been lost.
        isIn = reply.status === 200 || (await until('a login', [200, 401, 403], () => call('auth/v1/login', 'POST', { json: { email, password } }))).status === 200
      }
    } },
    { name: 'logs in', async run() {
      const { body } = await until('a login', [200], () => call('auth/v1/login', 'POST', { json: { email, password } }))
      token = textIn(body, 'access_token')
    } },
    { name: 'sends a photo through the album', run: () => add('through.jpg', 'album/photos/through.jpg') },
    { name: 'sends a photo to the files service', run: () => add('a b%ü.jpg', `files/v1/files/photos/${encodeURIComponent('a b%ü.jpg')}`) },
    { name: 'sends a photo in pieces, which may break', async run() {
      const photo = await newPhoto()
      await new Promise<void>((resolve, reject) => {
        new Upload(photo, {
          endpoint: `${world.url}/function/files/v1/uploads`, headers: { authorization: `Bearer ${token}`, 'x-call-id': callId }, chunkSize: CHUNK_BYTES,
          metadata: { path: 'photos/pieces.jpg', filetype: 'image/jpeg' }, retryDelays: TUS_PAUSES_MS, onSuccess: () => resolve(), onError: reject,
        }).start()
      })
      kept.set('pieces.jpg', photo)
    } },
    { name: 'gets a thumbnail of each', async run() {
      const module = await decoderModule()
      for (const name of kept.keys()) {
        const thumbnail = await eventually(`the thumbnail of ${name}`, async () => {
          const answer = await send(`files/v1/files/photos/${encodeURIComponent(name)}?thumbnail=true`, 'GET', null)
          assert.ok(answer.status === 200 || answer.status === 404, `${answer.status} ${answer.bytes.toString()}`)
          return answer.status === 200 && answer.bytes
        }, PATIENCE_MS)
        const { width, height } = shrinkJpeg(module, thumbnail, 2 * THUMBNAIL_PIXELS)
        assert.deepEqual([width, height], [96, 64])
      }
    } },
    { name: 'sees all of them in the list, which is kept', async run() {
      await eventually('they are listed', async () => (await listed()).names.join() === [...kept.keys()].sort().join())
      if (world.isCalm) await eventually('the list comes out of the cache', async () => (await listed()).isHit)
    } },
    { name: 'deletes one, which is in the trash then', async run() {
      const { status } = await send('album/photos/through.jpg', 'DELETE', null)
      // 404: it was done the last time, and the answer was lost.
      assert.ok(status === 204 || (status === 404 && !world.isCalm), String(status))
      kept.delete('through.jpg')
      await eventually('it is not listed', async () => !(await listed()).names.includes('through.jpg'))
      const trash = await until('the trash', [200], () => call('files/v1/trash'))
      assert.equal(itemsOf(trash.body).length, 1, trash.text)
    } },
    { name: 'has an empty trash after the nightly job', async run() {
      const asService = { token: world.serviceToken }
      const job = await eventually('the job is there', async () => {
        const { body } = await until('the jobs', [200], () => call('scheduler/v1/jobs?limit=100', 'GET', asService))
        return itemsOf(body).find((one) => textIn(one, 'name') === 'album: clean-up')
      }, PATIENCE_MS)
      assert.equal(isRecord(job) && textIn(job['cron'], 'pattern'), '0 3 * * *')
      const key = { 'idempotency-key': `${callId}-run` }
      const run = await until('the job runs', [202], () => call(`scheduler/v1/jobs/${textIn(job, 'id')}/run`, 'POST', { ...asService, headers: key }))
      await eventually('it has run', async () => {
        const { body } = await until('the run', [200], () => call(`scheduler/v1/runs/${textIn(run.body, 'id')}`, 'GET', asService))
        assert.ok(!['dead', 'cancelled'].includes(textIn(body, 'state')), JSON.stringify(body))
        return textIn(body, 'state') === 'succeeded'
      }, PATIENCE_MS)
      const trash = await until('the trash', [200], () => call('files/v1/trash'))
      assert.deepEqual(itemsOf(trash.body), [])
    } },
    { name: 'can be followed through the logs by the id of a call', async run() {
      const asService = { token: world.serviceToken }
      await eventually('the album, the files service and the thumbnail are in it', async () => {
        const { body } = await until('the call', [200], () => call(`monitor/v1/calls/${callId}`, 'GET', asService))
        const functions = isRecord(body) && Array.isArray(body['functions']) ? body['functions'] : []
        return ['album', 'files', 'thumbnail'].every((name) => functions.includes(name))
      }, PATIENCE_MS)
    } },
    { name: 'still has every photo, byte by byte', async run() {
      for (const [name, photo] of kept) {
        const { status, bytes, headers } = await send(`files/v1/files/photos/${encodeURIComponent(name)}`, 'GET', null)
        assert.deepEqual([status, bytes.equals(photo), headers.get('etag')], [200, true, `"${createHash('sha256').update(photo).digest('hex')}"`], name)
      }
      assert.deepEqual((await listed()).names, [...kept.keys()].sort())
    } },
  ]
}

/** Another one each time, of a megabyte: a picture with comments in it. */
async function newPhoto(): Promise<Buffer> {
  const image = await readFile(join(import.meta.dirname, '../fixtures/images/quarters.jpg'))
  const comments = Array.from({ length: 16 }, () => Buffer.concat([Buffer.from([0xff, 0xfe, 0xff, 0xff]), randomBytes(0xfffd)]))
  return Buffer.concat([image.subarray(0, 2), ...comments, image.subarray(2)])
}

/** Of all letters to this address, oldest first; they are in the log where there is no mail server. */
export function codesIn(logs: string, email: string): readonly string[] {
  return logs.split('\n').filter((line) => line.includes(email)).flatMap((line) => /Your code: ([-\w.]+)/.exec(line)?.[1] ?? [])
}
