/** Words about a file lie in the database, which all owners share and which is small. */
import { Problem } from '@bramble/runtime/service/problem'

/** As JSON, in characters. */
const MAX_METADATA_LENGTH = 2048
const MAX_TAGS_LENGTH = 1024

/** Throws 422 `too_much_metadata`. */
export function checkDescription({ metadata = {}, tags = [] }: {
  readonly metadata?: Readonly<Record<string, string>> | undefined
  readonly tags?: readonly string[] | undefined
}): void {
  if (JSON.stringify(metadata).length <= MAX_METADATA_LENGTH && JSON.stringify(tags).length <= MAX_TAGS_LENGTH) return
  throw new Problem(422, 'too_much_metadata', `a file has at most ${MAX_METADATA_LENGTH} characters of metadata and ${MAX_TAGS_LENGTH} of tags in all`)
}
