/**
 * The few calls on files that a folder of contents needs, as an interface: so that a test can put a disk underneath that forgets what
 * was not synced. What `write`, `truncate`, `create`, `rename`, `makeFolder` and `remove` did may be lost in a power cut until
 * `sync` or `syncFolder`.
 */

export type DiskFile = {
  size(): Promise<number>
  /** Fills `target` from `offset` on; fewer bytes only at the end of the file. Answers how many. */
  read(target: Uint8Array, offset: number): Promise<number>
  write(parts: readonly Uint8Array[], offset: number): Promise<void>
  truncate(size: number): Promise<void>
  /** Makes the content, and its length, survive a power cut. */
  sync(): Promise<void>
  close(): Promise<void>
}

export type Disk = {
  /** Names in a folder, unsorted; none where there is no folder. */
  names(folder: string): Promise<readonly string[]>
  /** With those above it; one that exists is fine. */
  makeFolder(path: string): Promise<void>
  /** Makes the list of names in it survive a power cut. */
  syncFolder(path: string): Promise<void>
  /** A new file; `EEXIST` when there is one of that name. */
  create(path: string): Promise<DiskFile>
  /** `ENOENT` when it is not there. */
  open(path: string): Promise<DiskFile>
  /** In the place of what has that name. */
  rename(from: string, to: string): Promise<void>
  /** `ENOENT` when it is not there. */
  remove(path: string): Promise<void>
  /** What the disk of a folder still takes. */
  freeBytes(folder: string): Promise<number>
  /** Why what is written there does not outlive the machine, in words; `undefined`: it does. */
  whyNotDurable(folder: string): Promise<string | undefined>
}
