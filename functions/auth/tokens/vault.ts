/** What must not lie in the database as it is: sealed with a key that only this service has (secret `auth-key`). */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto'

export type Vault = {
  /** `purpose` is bound to the text: what was sealed as a TOTP secret opens as nothing else. */
  seal(purpose: string, text: string): string
  /** Throws when the text was sealed with another key or for another purpose. */
  open(purpose: string, sealed: string): string
  /** A keyed hash, for what has too little entropy to be kept as a plain one, and for signing what comes back. */
  mac(purpose: string, text: string): string
}

/** Shorter can be guessed by whoever steals the database. */
const MIN_KEY_CHARACTERS = 32
const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
const VERSION = 'v1'

export function createVault(key: string): Vault {
  if (key.length < MIN_KEY_CHARACTERS) {
    throw new Error(`secret auth-key has ${key.length} characters; at least ${MIN_KEY_CHARACTERS} random ones are needed: openssl rand -base64 32`)
  }
  const derive = (use: string): Buffer => Buffer.from(hkdfSync('sha256', key, '', `bramble auth ${VERSION} ${use}`, KEY_BYTES))
  const sealKey = derive('seal')
  const macKey = derive('mac')

  return {
    seal(purpose, text) {
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv('aes-256-gcm', sealKey, nonce).setAAD(Buffer.from(purpose))
      const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
      return `${VERSION}.${Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64url')}`
    },

    open(purpose, sealed) {
      const [version, body = ''] = sealed.split('.')
      const bytes = Buffer.from(body, 'base64url')
      if (version !== VERSION || bytes.length < NONCE_BYTES + TAG_BYTES) throw new Error(`a sealed ${purpose} is damaged`)
      const decipher = createDecipheriv('aes-256-gcm', sealKey, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
        .setAAD(Buffer.from(purpose))
        .setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
      try {
        return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]).toString('utf8')
      } catch (cause) {
        throw new Error(`a sealed ${purpose} does not open; is secret auth-key the one it was sealed with?`, { cause })
      }
    },

    mac: (purpose, text) => createHmac('sha256', macKey).update(`${purpose}\0${text}`).digest('base64url'),
  }
}
