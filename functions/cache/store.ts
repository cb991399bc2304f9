/**
 * The port: where entries are kept. `memory-store.ts` keeps them in this process; an adapter over a server (Valkey, Redis) may
 * answer with promises. Every adapter passes `test/functions/cache/store-contract.ts`.
 *
 * A store may forget any entry at any time. What it must not do: give back what was overwritten, removed or is past its time.
 */

export type Awaitable<T> = T | Promise<T>

/** What is to be kept. */
export type Draft = {
  /** Not to be changed by anybody afterwards. */
  readonly value: Uint8Array
  readonly contentType: string
  /** From now on; below 0 it is stale already; `undefined`: until there is no more room. */
  readonly freshMs: number | undefined
  /** How long after that it may still be shown as stale; 0: not at all. */
  readonly staleMs: number
  readonly tags: readonly string[]
}

export type Entry = {
  readonly value: Uint8Array
  readonly contentType: string
  /** Another one for each write, also of other replicas and after a restart; letters, digits and `-`. */
  readonly version: string
  /** Below 0 it is stale; `undefined`: as in `Draft`. */
  readonly freshForMs: number | undefined
  readonly staleMs: number
  readonly tags: readonly string[]
}

/** Since the start of the process, save for the last four, which are of now. */
export type StoreStats = {
  readonly hits: number
  readonly staleHits: number
  readonly misses: number
  readonly writes: number
  readonly removals: number
  /** Entries that went because there was no more room. */
  readonly evictions: number
  /** Entries that went because their time was over; noticed late as a rule. */
  readonly expirations: number
  /** With those whose time is over and which have not been noticed. */
  readonly entries: number
  readonly spaces: number
  readonly bytes: number
  readonly limitBytes: number
}

/** `space` names a group of keys; keys of different spaces have nothing to do with each other. */
export type Store = {
  /** The entry, fresh or stale; `undefined`: there is none. Counts as a use of it. */
  get(space: string, key: string): Awaitable<Entry | undefined>
  /**
   * Reads, decides and writes as one step. `change` says what is to be there; `undefined` removes it. When it throws, nothing
   * has changed and the error comes out here. It must be pure: an adapter over a network may call it again.
   */
  update(space: string, key: string, change: (present: Entry | undefined) => Draft | undefined): Awaitable<Entry | undefined>
  /** Writes all of them as one step, and answers their versions in the same order. */
  putAll(space: string, drafts: readonly (readonly [key: string, draft: Draft])[]): Awaitable<readonly string[]>
  /** Removes every entry of the space that has one of the tags, and answers how many. */
  removeTagged(space: string, tags: readonly string[]): Awaitable<number>
  /** Removes every entry of the space, and answers how many. */
  clear(space: string): Awaitable<number>
  /** Removes every entry that is not kept, and answers how many. Others are read and written meanwhile. */
  retain(isKept: (space: string, key: string) => boolean): Awaitable<number>
  stats(): Awaitable<StoreStats>
}
