/** The port: where copies of log and snapshots go, off this board. Its adapters are a folder and HTTP PUT. */
import { request as requestPlain } from 'node:http'
import { request as requestTls } from 'node:https'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { Readable } from 'node:stream'
import { DataError } from './errors.ts'
import type { DataFiles } from './files.ts'

export type CopyTarget = {
  /** For logs and messages; without secrets. */
  readonly name: string
  /** Under `key`, whole and durable when it resolves; one that is there is replaced by the same. */
  put(key: string, content: CopyContent): Promise<void>
}

export type CopyContent = { readonly sizeBytes: number; read(): AsyncIterable<Uint8Array> }

/** Another disk, a mounted share: a database's folder in it can be put in the place of the original as it is. */
export function folderTarget(files: DataFiles, folder: string): CopyTarget {
  return {
    name: folder,
    async put(key, content) {
      const path = join(folder, key)
      await files.makeFolder(dirname(path))
      await files.syncFolder(folder)
      const draft = `${path}.draft`
      await files.remove(draft).catch(() => undefined)
      const file = await files.create(draft)
      try {
        let at = 0
        for await (const part of content.read()) {
          await file.write([part], at)
          at += part.length
        }
        await file.sync()
      } finally {
        await file.close()
      }
      await files.rename(draft, path)
      await files.syncFolder(dirname(path))
    },
  }
}

/** A server that says nothing for so long has gone. */
const IDLE_TIMEOUT_MS = 60_000
const MAX_REASON_CHARACTERS = 200

/**
 * `url` holds `{key}` where the name of an object goes, as in `https://s3.example/bucket/{key}?X-Amz-…`; any answer from 200 to 299 means that it
 * is kept. `authorization` is sent as that header.
 */
export function httpTarget(url: string, authorization: string | undefined): CopyTarget {
  const { origin } = new URL(url.replaceAll('{key}', 'key'))
  return {
    name: origin,
    async put(key, content) {
      const address = new URL(url.replaceAll('{key}', key.split('/').map(encodeURIComponent).join('/')))
      const request = (address.protocol === 'https:' ? requestTls : requestPlain)(address, {
        method: 'PUT',
        headers: {
          'content-type': 'application/octet-stream', 'content-length': content.sizeBytes,
          ...(authorization === undefined ? {} : { authorization }),
        },
        timeout: IDLE_TIMEOUT_MS,
      })
      request.on('timeout', () => request.destroy(new Error(`${origin} says nothing for ${IDLE_TIMEOUT_MS} ms`)))
      const answer = new Promise<{ status: number; text: string }>((resolve, reject) => {
        request.on('error', reject)
        request.on('response', (response) => {
          let text = ''
          response.setEncoding('utf8').on('data', (part: string) => { if (text.length < MAX_REASON_CHARACTERS) text += part })
          response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
          response.on('error', reject)
        })
      })
      // A server may answer, and close, before it has read all: its answer counts.
      const [{ status, text }] = await Promise.all([answer, pipeline(Readable.from(content.read()), request).catch(() => undefined)])
      if (status < 200 || status > 299) throw new DataError('UNAVAILABLE', `${origin} answered ${status} to a copy: ${text.slice(0, MAX_REASON_CHARACTERS)}`)
    },
  }
}
