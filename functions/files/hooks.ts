/**
 * The function that makes thumbnails is told of each image by an asynchronous call. What to tell is a row, written in the transaction that
 * stores the image; it goes when the gateway has accepted the call. So it is told at least once, whenever this process, the data
 * service or the gateway is killed.
 */
import http from 'node:http'
import https from 'node:https'
import type { Log } from '@bramble/runtime'
import { currentCallId } from '@bramble/runtime/service/call-id'
import type { Database } from '@bramble/runtime/service/database'
import * as z from 'zod'
import type { Write } from './catalog/write-file.ts'

export type Hooks = {
  /** The body of the call for a version; nothing where nobody is to be told of it. */
  bodyOf(file: { readonly id: string; readonly owner: string; readonly path: string; readonly version: number }, write: Write): string | undefined
  /** Whether somebody is to be told of it. */
  isMeant(write: Pick<Write, 'contentType'>): boolean
  /** Sends what is due, and again later what could not be sent. Returns at once. */
  deliver(): void
  counts(): { readonly sent: number; readonly failed: number }
}

export type HookDeps = {
  readonly db: Database
  readonly gatewayUrl: string
  readonly token: string
  /** Empty: nobody is told. */
  readonly functionName: string
  readonly log: Log
  readonly nowMs: () => number
}

/** What the thumbnail function may be able to read. */
const images = new Set(['image/jpeg', 'image/png', 'image/gif', 'image/webp', 'image/avif', 'image/heic'])
const AT_ONCE = 10
const FIRST_DELAY_MS = 1000
const LONGEST_DELAY_MS = 600_000
const TIMEOUT_MS = 30_000
/** The database is not there yet, as when all services start together. */
const NO_DATABASE_MS = 2000

/** The call that stored the image; the one for the thumbnail has the same id, and the logs show them together. */
const callIdIn = z.object({ call_id: z.string().optional() })
const hookRow = z.object({ id: z.string(), body: z.string(), tries: z.number(), due_at: z.number() })

export function createHooks({ db, gatewayUrl, token, functionName, log, nowMs }: HookDeps): Hooks {
  const counts = { sent: 0, failed: 0 }
  /** Since the last one that was accepted. */
  let failures = 0
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined
  let isWanted = false

  /** Answers when to come again; `undefined`: when there is something new. */
  const round = async (): Promise<number | undefined> => {
    for (;;) {
      const rows = (await db.query('SELECT id, body, tries, due_at FROM hooks ORDER BY due_at LIMIT :limit', { limit: AT_ONCE })).map((row) => hookRow.parse(row))
      const [first] = rows
      if (first === undefined) return undefined
      const due = rows.filter(({ due_at }) => due_at <= nowMs())
      if (due.length === 0) return first.due_at - nowMs()
      for (const hook of due) {
        if (await send(hook)) continue
        // What one was not accepted for, the others will not be accepted for either, now.
        return Math.min(FIRST_DELAY_MS * 2 ** failures++, LONGEST_DELAY_MS)
      }
    }
  }
  const send = async ({ id, body, tries }: z.output<typeof hookRow>): Promise<boolean> => {
    try {
      const status = await post(`${gatewayUrl}/async-function/${functionName}`, token, body, callIdIn.parse(JSON.parse(body)).call_id)
      if (status < 200 || status > 299) throw new Error(`the gateway answered ${status}`)
      counts.sent++
      failures = 0
      await db.execute([{ sql: 'DELETE FROM hooks WHERE id = :id', parameters: { id } }])
      return true
    } catch (error) {
      counts.failed++
      const delayMs = Math.min(FIRST_DELAY_MS * 2 ** tries, LONGEST_DELAY_MS)
      log.warn('the thumbnail function could not be called', { function: functionName, hook: id, tries: tries + 1, error })
      await db.execute([{ sql: 'UPDATE hooks SET tries = tries + 1, due_at = :due WHERE id = :id', parameters: { id, due: nowMs() + delayMs } }])
      return false
    }
  }
  const deliver = (): void => {
    if (functionName === '') return
    if (running !== undefined) {
      isWanted = true
      return
    }
    clearTimeout(timer)
    running = round().then((delayMs) => {
      if (delayMs !== undefined) later(delayMs)
    }, (error: unknown) => {
      log.warn('who is to be told of new images is not known yet', { error })
      later(NO_DATABASE_MS)
    }).finally(() => {
      running = undefined
      if (!isWanted) return
      isWanted = false
      deliver()
    })
  }
  const later = (delayMs: number): void => {
    timer = setTimeout(deliver, Math.max(1, delayMs))
  }

  const isMeant: Hooks['isMeant'] = ({ contentType }) => functionName !== '' && images.has(contentType)
  return {
    isMeant,
    bodyOf({ id, owner, path, version }, write) {
      const { contentType, sizeBytes } = write
      if (!isMeant(write)) return undefined
      return JSON.stringify({ file_id: id, owner, path, version, content_type: contentType, size: sizeBytes, call_id: currentCallId() })
    },
    deliver,
    counts: () => counts,
  }
}

function post(url: string, token: string, body: string, callId: string | undefined): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = (url.startsWith('https:') ? https : http).request(url, {
      method: 'POST', timeout: TIMEOUT_MS,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), ...(callId !== undefined && { 'x-call-id': callId }) },
    }, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    request.on('timeout', () => request.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`))).on('error', reject)
    request.end(body)
  })
}
