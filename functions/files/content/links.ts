/** Signed links: what they open, until when, and a MAC over both with the secret `files-key`. The database knows nothing of them. */
import { createHmac, timingSafeEqual } from 'node:crypto'
import * as z from 'zod'

export type Link = z.output<typeof linkShape>

export type Links = {
  sign(link: Link): string
  /** `undefined` for what was not made here, or is over. */
  read(token: string, nowMs: number): Link | undefined
}

const linkShape = z.strictObject({
  /** The file's id: what is at its path later is not meant. */
  f: z.string(),
  /** Its version; none: the current one. */
  v: z.number().optional(),
  /** Until then, in seconds since 1970. */
  x: z.number(),
  /** Thumbnail; to be kept and not shown. */
  t: z.literal(1).optional(),
  d: z.literal(1).optional(),
})

/** So that this key can never be made to sign anything else. */
const PURPOSE = 'bramble files link 1\0'
const MIN_KEY_LENGTH = 32
export const MAX_TOKEN_LENGTH = 400

/** Throws a sentence for the operator when the key is too short. */
export function createLinks(key: string): Links {
  if (key.trim().length < MIN_KEY_LENGTH) throw new Error(`secret files-key must have at least ${MIN_KEY_LENGTH} characters; make one with "openssl rand -hex 32"`)
  const macOf = (payload: string): Buffer => createHmac('sha256', key.trim()).update(PURPOSE).update(payload).digest()
  return {
    sign(link) {
      const payload = Buffer.from(JSON.stringify(link)).toString('base64url')
      return `${payload}.${macOf(payload).toString('base64url')}`
    },
    read(token, nowMs) {
      const [, payload = '', mac = ''] = /^([\w-]+)\.([\w-]+)$/.exec(token) ?? []
      const shown = Buffer.from(mac, 'base64url')
      const wanted = macOf(payload)
      if (token.length > MAX_TOKEN_LENGTH || shown.length !== wanted.length || !timingSafeEqual(shown, wanted)) return undefined
      const link = linkShape.parse(JSON.parse(Buffer.from(payload, 'base64url').toString()))
      return link.x * 1000 > nowMs ? link : undefined
    },
  }
}
