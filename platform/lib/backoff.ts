/** How long to wait before the next try: at once after the first failure, then doubling up to a ceiling. */
export type Backoff = { readonly firstMs: number; readonly maxMs: number }

/** `failures` in a row so far; 0 and 1 wait for nothing, 2 waits `firstMs`, each further one twice as long. */
export function backoffMs(failures: number, { firstMs, maxMs }: Backoff): number {
  if (failures <= 1) return 0
  return Math.min(maxMs, firstMs * 2 ** (failures - 2))
}
