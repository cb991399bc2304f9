/** An error meant for the caller: its status and message are the answer. Any other throw is a bare 500. */
export class HttpError extends Error {
  readonly status: number

  constructor(status: number, message: string, options?: { cause?: unknown }) {
    if (!Number.isInteger(status) || status < 400 || status > 599) {
      throw new RangeError(`HttpError needs a status from 400 to 599, got ${status}`)
    }
    super(message, options)
    this.name = 'HttpError'
    this.status = status
  }
}
