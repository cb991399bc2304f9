/** What can go wrong where content lies. */

export type StoreErrorCode =
  /** Nothing that is written there would last. */
  | 'NOT_DURABLE'
  /** The disk is full; nothing is half there. */
  | 'FULL'
  /** What should be there is not. */
  | 'MISSING'

export class StoreError extends Error {
  readonly code: StoreErrorCode

  constructor(code: StoreErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.name = 'StoreError'
    this.code = code
  }
}
