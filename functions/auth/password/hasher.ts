/**
 * Argon2id with a bound on how many run at once: each takes its whole memory, and a hundred logins at once must not end
 * the process. Who does not fit into the queue is told to come again.
 */
import { argon2, randomBytes, timingSafeEqual } from 'node:crypto'
import { type Argon2Cost, formatPhc, isSameCost, parsePhc } from './phc.ts'

export type Verdict = {
  readonly isRight: boolean
  /** Right, but made with other parameters than those of today: hash it again. */
  readonly isOutdated: boolean
}

export type PasswordHasher = {
  /** A new hash as a PHC string. Throws what `busy` gives when the queue is full. */
  hash(password: string): Promise<string>
  /** The same work whether there is a hash or not, so that a missing account takes as long as a wrong password. */
  verify(password: string, phc: string | undefined): Promise<Verdict>
  /** Hashes that run and wait now; how many there were, and how many were sent away. */
  counts(): { readonly running: number; readonly waiting: number; readonly done: number; readonly refused: number }
}

export type HasherDeps = {
  readonly cost: Argon2Cost
  /** Hashes at a time. */
  readonly concurrency: number
  /** Calls that may wait for their turn. */
  readonly maxWaiting: number
  /** What to throw when more come. */
  readonly busy: () => Error
}

/** RFC 9106 recommends 16 bytes of salt and 32 of hash. */
const SALT_BYTES = 16
const HASH_BYTES = 32

export function createPasswordHasher({ cost, concurrency, maxWaiting, busy }: HasherDeps): PasswordHasher {
  const waiting: (() => void)[] = []
  let running = 0
  let done = 0
  let refused = 0

  const inTurn = async <T>(work: () => Promise<T>): Promise<T> => {
    if (running >= concurrency) {
      if (waiting.length >= maxWaiting) {
        refused++
        throw busy()
      }
      // Whoever ends hands its place over, so `running` stays as it is.
      await new Promise<void>((resolve) => waiting.push(resolve))
    } else running++
    try {
      return await work()
    } finally {
      done++
      const next = waiting.shift()
      if (next === undefined) running--
      else next()
    }
  }

  const hash = async (password: string): Promise<string> => {
    const salt = randomBytes(SALT_BYTES)
    return formatPhc({ cost, salt, hash: await derive(password, salt, cost, HASH_BYTES) })
  }
  // What a password is compared with when there is no account; nobody knows a password for it.
  const nobody = { cost, salt: randomBytes(SALT_BYTES), hash: randomBytes(HASH_BYTES) }

  return {
    counts: () => ({ running, waiting: waiting.length, done, refused }),

    hash: (password) => inTurn(() => hash(password)),

    verify: (password, phc) => inTurn(async () => {
      const stored = phc === undefined ? undefined : parsePhc(phc)
      const { cost: storedCost, salt, hash: wanted } = stored ?? nobody
      const got = await derive(password, salt, storedCost, wanted.length)
      const isRight = timingSafeEqual(got, wanted) && stored !== undefined
      return { isRight, isOutdated: isRight && !isSameCost(storedCost, cost) }
    }),
  }
}

/** NFKC: the same password typed on another keyboard is the same bytes (NIST SP 800-63B). */
function derive(password: string, nonce: Buffer, cost: Argon2Cost, tagLength: number): Promise<Buffer> {
  const message = Buffer.from(password.normalize('NFKC'))
  const { memoryKib: memory, passes, parallelism } = cost
  return new Promise((resolve, reject) => {
    argon2('argon2id', { message, nonce, memory, passes, parallelism, tagLength }, (error, derived) => {
      if (error) reject(error)
      else resolve(derived)
    })
  })
}
