/**
 * What a content is, by its first bytes. What the caller says is believed where it cannot be told from the bytes, and where it makes
 * what was found more exact; never where the bytes say otherwise.
 */

/** So much is looked at. */
export const SNIFF_BYTES = 512
const UNKNOWN_TYPE = 'application/octet-stream'
export const TEXT_TYPE = 'text/plain; charset=utf-8'

type Signature = {
  readonly type: string
  /** Of the first bytes, one character each. */
  readonly form: RegExp
  /** What a caller may call it instead: kinds of the same container. */
  readonly also?: RegExp
}

const signatures: readonly Signature[] = [
  { type: 'image/jpeg', form: /^\xff\xd8\xff/ },
  { type: 'image/png', form: /^\x89PNG\r\n\x1a\n/, also: /^image\/apng$/ },
  { type: 'image/gif', form: /^GIF8[79]a/ },
  { type: 'image/webp', form: /^RIFF[^]{4}WEBP/ },
  { type: 'image/avif', form: /^[^]{4}ftypavi[fs]/ },
  { type: 'image/heic', form: /^[^]{4}ftyp(?:hei[cxms]|hev[cxms]|mif1|msf1)/, also: /^image\/heif$/ },
  { type: 'image/bmp', form: /^BM[^]{4}\0\0\0\0/ },
  { type: 'image/tiff', form: /^(?:II\*\0|MM\0\*)/, also: /^image\/x-[a-z-]+$/ },
  { type: 'image/x-icon', form: /^\0\0\x01\0/, also: /^image\/vnd\.microsoft\.icon$/ },
  { type: 'video/mp4', form: /^[^]{4}ftyp/, also: /^(?:audio\/mp4|audio\/x-m4a|video\/quicktime|video\/3gpp|audio\/3gpp)$/ },
  { type: 'video/webm', form: /^\x1a\x45\xdf\xa3/, also: /^(?:audio\/webm|video\/x-matroska|audio\/x-matroska)$/ },
  { type: 'video/x-msvideo', form: /^RIFF[^]{4}AVI / },
  { type: 'audio/wav', form: /^RIFF[^]{4}WAVE/, also: /^audio\/(?:x-)?wave?$/ },
  { type: 'audio/mpeg', form: /^(?:ID3|\xff[\xfb\xf3\xf2])/, also: /^audio\/mp3$/ },
  { type: 'audio/ogg', form: /^OggS/, also: /^(?:video\/ogg|application\/ogg|audio\/opus)$/ },
  { type: 'audio/flac', form: /^fLaC/, also: /^audio\/x-flac$/ },
  { type: 'application/pdf', form: /^%PDF-/ },
  { type: 'application/zip', form: /^PK(?:\x03\x04|\x05\x06)/, also: /^application\/(?:vnd\.(?:openxmlformats-officedocument|oasis\.opendocument|android)[\w.+-]*|epub\+zip|java-archive|x-zip-compressed)$/ },
  { type: 'application/gzip', form: /^\x1f\x8b/, also: /^application\/(?:x-gzip|x-tgz|x-compressed-tar)$/ },
  { type: 'application/zstd', form: /^\x28\xb5\x2f\xfd/ },
  { type: 'application/x-7z-compressed', form: /^7z\xbc\xaf\x27\x1c/ },
  { type: 'application/vnd.sqlite3', form: /^SQLite format 3\0/, also: /^application\/x-sqlite3$/ },
  { type: 'application/wasm', form: /^\0asm/ },
  { type: 'font/woff2', form: /^wOF2/ },
  { type: 'font/woff', form: /^wOFF/ },
  { type: 'application/x-executable', form: /^(?:\x7fELF|MZ)/ },
]

/** What is text and says so may be called by its own name. */
const textTypes = /^(?:text\/[a-z0-9.+-]+|application\/(?:json|xml|javascript|yaml|toml|sql|[a-z0-9.-]+\+(?:json|xml))|image\/svg\+xml|message\/rfc822)$/
/** RFC 9110, section 8.3.1, without parameters. */
const mediaType = /^[a-z0-9!#$&^_.+-]{1,64}\/[a-z0-9!#$&^_.+-]{1,64}$/
const utf8 = new TextDecoder('utf-8', { fatal: true })

/** `declared` as it came, with parameters or not, or nothing. */
export function sniff(first: Uint8Array, declared: string | undefined): string {
  const claim = (declared ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
  const bytes = Buffer.from(first.subarray(0, SNIFF_BYTES))
  const latin = bytes.toString('latin1')
  const found = signatures.find(({ form }) => form.test(latin))
  if (found !== undefined) return found.also?.test(claim) === true ? claim : found.type
  if (isText(bytes)) return textTypes.test(claim) ? `${claim}; charset=utf-8` : TEXT_TYPE
  const isBelied = claim === '' || !mediaType.test(claim) || textTypes.test(claim) || signatures.some(({ type, also }) => type === claim || also?.test(claim) === true)
  return isBelied ? UNKNOWN_TYPE : claim
}

/** UTF-8 without control characters. The last character may be cut. */
function isText(bytes: Buffer): boolean {
  try {
    return !/[\0-\x08\x0e-\x1a\x1c-\x1f\x7f]/.test(utf8.decode(bytes, { stream: true }))
  } catch {
    return false
  } finally {
    // The decoder begins anew.
    try { utf8.decode() } catch { /* the cut character */ }
  }
}
