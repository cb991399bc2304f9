/** The public keys of the auth service, fetched when they are needed and kept for a while. */
import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import { Problem } from '@bramble/runtime/service/problem'
import { importJWK } from 'jose'
import * as z from 'zod'

type Key = Awaited<ReturnType<typeof importJWK>>

export type Jwks = {
  /** `undefined` when auth has none of this name. Throws 503 when auth cannot be asked. */
  find(kid: string): Promise<Key | undefined>
}

/** A key that auth has withdrawn is believed no longer than this. */
const KEEP_MS = 600_000
/** Made-up names of keys must not make us ask auth each time. */
const ASK_AGAIN_MS = 10_000
const TIMEOUT_MS = 10_000
const MAX_BYTES = 256 * 1024
const RETRY_AFTER_SECONDS = '1'

const document = z.object({ keys: z.array(z.looseObject({ kid: z.string(), kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: z.string() })) })

export function createJwks({ url, nowMs }: { readonly url: string; readonly nowMs: () => number }): Jwks {
  let keys = new Map<string, Key>()
  let fetchedAtMs = -Infinity
  let fetching: Promise<void> | undefined

  const refresh = async (): Promise<void> => {
    const { keys: found } = document.parse(JSON.parse(await get(url)))
    keys = new Map(await Promise.all(found.map(async ({ kid, kty, crv, x }): Promise<[string, Key]> => [kid, await importJWK({ kty, crv, x }, 'EdDSA')])))
    fetchedAtMs = nowMs()
  }
  const fetchKeys = (): Promise<void> => fetching ??= refresh().catch((cause: unknown) => {
    throw new Problem(503, 'auth_unavailable', `the keys of the auth service cannot be read at ${url}`, { cause, headers: { 'retry-after': RETRY_AFTER_SECONDS } })
  }).finally(() => { fetching = undefined })

  return {
    async find(kid) {
      const ageMs = nowMs() - fetchedAtMs
      if (ageMs > KEEP_MS || (!keys.has(kid) && ageMs > ASK_AGAIN_MS)) await fetchKeys()
      return keys.get(kid)
    },
  }
}

function get(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = (url.startsWith('https:') ? https : http).get(url, { timeout: TIMEOUT_MS }, (response) => {
      readText(response).then(resolve, reject)
    })
    request.on('timeout', () => request.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`))).on('error', reject)
  })
}

async function readText(response: IncomingMessage): Promise<string> {
  if (response.statusCode !== 200) {
    response.resume()
    throw new Error(`status ${response.statusCode}`)
  }
  const chunks: Buffer[] = []
  let sizeBytes = 0
  for await (const chunk of response) {
    if (!Buffer.isBuffer(chunk)) continue
    chunks.push(chunk)
    sizeBytes += chunk.length
    if (sizeBytes > MAX_BYTES) throw new Error(`more than ${MAX_BYTES} bytes`)
  }
  return Buffer.concat(chunks).toString()
}
