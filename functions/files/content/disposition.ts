/** `Content-Disposition` (RFC 6266): shown in the browser only where that cannot do harm, and under a name that stays a name. */

/** What a browser shows without running anything that is in it. A closed list: it takes any `…+xml` for a page. */
const shown = new RegExp(`^(?:${[
  'image/(?:jpeg|png|apng|gif|webp|avif|bmp)', 'audio/(?:mpeg|mp3|mp4|x-m4a|ogg|opus|wav|x-wav|wave|flac|x-flac|webm|3gpp)',
  'video/(?:mp4|webm|ogg|quicktime|3gpp|x-matroska|x-msvideo)', 'text/plain(?:; charset=utf-8)?',
].join('|')})$`)

export function dispositionOf(name: string, contentType: string, isDownload: boolean): string {
  const how = isDownload || !shown.test(contentType) ? 'attachment' : 'inline'
  // For those who know no other: what is not plain ASCII becomes a dash, and so does what could end the quotes or be decoded once more.
  const plain = name.replace(/[^\x20-\x7e]|["\\%]/gu, '-')
  return plain === name ? `${how}; filename="${plain}"` : `${how}; filename="${plain}"; filename*=UTF-8''${extended(name)}`
}

/** RFC 8187: everything but `attr-char` as bytes. */
function extended(name: string): string {
  return encodeURIComponent(name).replace(/['()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
}
