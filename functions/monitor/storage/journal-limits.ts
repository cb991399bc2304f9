/** How large and how old things get. */
export type JournalLimits = {
  /** A tail of so many bytes becomes a block. */
  readonly blockBytes: number
  /** One that is so old, too. */
  readonly blockMs: number
  /** So often the tail is brought to the disk: what a power cut may take. */
  readonly syncMs: number
  readonly retentionMs: number
  readonly maxBytes: number
  /** What each says of itself is in memory. */
  readonly maxBlocks: number
}
