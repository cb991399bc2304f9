/**
 * The port to where contents lie. A content is named by the SHA-256 of its bytes, in hexadecimal: the same bytes are there once, and
 * whether they still are what they were can be told from the name. Bytes on their way in are a part, which becomes a content at once or not at all.
 */

export type Part = {
  /** Behind what was written before. */
  write(chunks: readonly Uint8Array[]): Promise<void>
  /** All that was written survives a power cut, and is found by `openPart`. */
  sync(): Promise<void>
  /** What was written, from one byte to before another. */
  read(firstByte: number, endByte: number): AsyncIterable<Uint8Array>
  /** Becomes the content of this name, in the place of one that is there; survives a power cut. The part is gone. */
  keep(hash: string): Promise<void>
  /** Leaves it for another `openPart`; after `keep` nothing. */
  close(): Promise<void>
}

export type Store = {
  /** Once, before anything else. Where nothing lasts it resolves, and writing calls throw `NOT_DURABLE`. */
  start(): Promise<void>
  /** In words; `undefined`: it is. */
  whyNotDurable(): string | undefined
  freeBytes(): Promise<number>
  /** With the first `sizeBytes` of what was synced; with 0 a new one, where there is none. `MISSING` when it has less. */
  openPart(id: string, sizeBytes: number): Promise<Part>
  /** It need not be there. */
  removePart(id: string): Promise<void>
  parts(): Promise<readonly string[]>
  /** `undefined` when it is not there. */
  sizeOf(hash: string): Promise<number | undefined>
  /** From one byte to before another. `MISSING` when it is not there, or ends before. Holds nothing until somebody reads. */
  read(hash: string, firstByte: number, endByte: number): AsyncIterable<Uint8Array>
  /** All names, in no order. */
  contents(): AsyncIterable<string>
  /** It need not be there. */
  remove(hash: string): Promise<void>
}
