/** Bytes of which no thumbnail can be made, now or later; the message says why. */
export class UnfitImage extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'UnfitImage'
  }
}
