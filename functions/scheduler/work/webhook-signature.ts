/** Signs completion webhooks. Source: Standard Webhooks 1.0.0, symmetric signatures (`v1`). */
const { createHmac } = process.getBuiltinModule('node:crypto')

/** The key of a secret that is written as the specification has it, `whsec_BASE64`, or as any text of at least 24 characters. */
export function webhookKey(text: string): Buffer {
  const secret = text.trim()
  const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice('whsec_'.length), 'base64') : Buffer.from(secret)
  if (key.length < 24) throw new Error('secret webhook-key must be at least 24 characters, or whsec_ and base64 of at least 24 bytes; make one with "openssl rand -hex 32"')
  return key
}

/** `id` is the same at every attempt; receivers refuse timestamps that are minutes old, and ids that they have seen. */
export function signatureHeaders(key: Buffer, id: string, body: string, nowMs: number): Readonly<Record<string, string>> {
  const timestamp = String(Math.floor(nowMs / 1000))
  const mac = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${mac}` }
}
