/** The PHC string format of an Argon2id hash: `$argon2id$v=19$m=12288,t=3,p=1$SALT$HASH`. Pure. */
export type Argon2Cost = {
  readonly memoryKib: number
  readonly passes: number
  readonly parallelism: number
}

export type PhcHash = { readonly cost: Argon2Cost; readonly salt: Buffer; readonly hash: Buffer }

/** Argon2 1.3, the version of RFC 9106; OpenSSL knows no other. */
const VERSION = 19
const pattern = /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/

export function formatPhc({ cost, salt, hash }: PhcHash): string {
  const { memoryKib, passes, parallelism } = cost
  return `$argon2id$v=${VERSION}$m=${memoryKib},t=${passes},p=${parallelism}$${unpadded(salt)}$${unpadded(hash)}`
}

/** `undefined` for what is no Argon2id hash. */
export function parsePhc(text: string): PhcHash | undefined {
  const [, memory, passes, parallelism, salt, hash] = pattern.exec(text) ?? []
  if (salt === undefined || hash === undefined) return undefined
  return {
    cost: { memoryKib: Number(memory), passes: Number(passes), parallelism: Number(parallelism) },
    salt: Buffer.from(salt, 'base64'),
    hash: Buffer.from(hash, 'base64'),
  }
}

export function isSameCost(a: Argon2Cost, b: Argon2Cost): boolean {
  return a.memoryKib === b.memoryKib && a.passes === b.passes && a.parallelism === b.parallelism
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '')
}
