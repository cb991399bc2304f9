/** Who may change what at a time, and whether anything may be changed at all. */
import { BrambleError, hasCode } from '../../lib/errors.ts'
import { createLocks } from '../../lib/locks.ts'
import { DEFAULT_NAMESPACE } from '../../openfaas/types.ts'

export type Desk = {
  open(): void
  close(): void
  isOpen(): boolean
  /** `UNAVAILABLE` while the provider does not run. */
  checkOpen(): void
  setNamespaces(isKnown: (name: string) => boolean): void
  hasNamespace(name: string): boolean
  /** `NOT_FOUND`. */
  checkNamespace(name: string): void
  /** One change at a time of one thing in a namespace that stays meanwhile. */
  alone<T>(namespace: string, what: string, body: () => Promise<T>): Promise<T>
  /** Nothing in the namespace is being changed meanwhile. */
  aloneIn<T>(namespace: string, body: () => Promise<T>): Promise<T>
}

export function createDesk(): Desk {
  const locks = createLocks()
  let isOpen = false
  let isKnown = (_name: string): boolean => false

  const checkOpen = (): void => {
    if (!isOpen) throw new BrambleError('UNAVAILABLE', 'the provider does not run: try again when the platform is ready')
  }
  const guarded = <T>(body: () => Promise<T>) => async (): Promise<T> => {
    checkOpen()
    try {
      return await body()
    } catch (error) {
      throw diskFault(error)
    }
  }
  const hasNamespace = (name: string): boolean => name === DEFAULT_NAMESPACE || isKnown(name)

  return {
    open() { isOpen = true },
    close() { isOpen = false },
    isOpen: () => isOpen,
    checkOpen,
    setNamespaces(test) { isKnown = test },
    hasNamespace,
    checkNamespace(name) {
      if (!hasNamespace(name)) throw new BrambleError('NOT_FOUND', `namespace ${name} does not exist: create it first`)
    },
    alone: (namespace, what, body) => locks.shared(namespace, () => locks.exclusive(`${namespace} ${what}`, guarded(body))),
    aloneIn: (namespace, body) => locks.exclusive(namespace, guarded(body)),
  }
}

/** What a disk says, in words; all else as it is. */
function diskFault(cause: unknown): unknown {
  const why = hasCode(cause, 'ENOSPC') || hasCode(cause, 'EDQUOT') ? 'its disk is full: make room there'
    : hasCode(cause, 'EROFS') ? 'its disk is read-only'
    : hasCode(cause, 'EIO') ? 'its disk reports a fault'
    : undefined
  return why === undefined ? cause : new BrambleError('UNAVAILABLE', `the change cannot be kept in data_dir: ${why}`, { cause })
}
