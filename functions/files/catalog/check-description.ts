/** Words about a file lie in the database, which all owners share and which is small. */
import { Problem } from '@bramble/runtime/service/problem'

/** As JSON. */
const MAX_METADATA_BYTES = 2048
const MAX_TAGS_BYTES = 1024

/** Throws 422 `too_much_metadata`. */
export function checkDescription({ metadata = {}, tags = [] }: {
  readonly metadata?: Readonly<Record<string, string>> | undefined
  readonly tags?: readonly string[] | undefined
}): void {
  if (Buffer.byteLength(JSON.stringify(metadata)) <= MAX_METADATA_BYTES && Buffer.byteLength(JSON.stringify(tags)) <= MAX_TAGS_BYTES) return
  throw new Problem(422, 'too_much_metadata', `a file has at most ${MAX_METADATA_BYTES} bytes of metadata and ${MAX_TAGS_BYTES} of tags in all`)
}
