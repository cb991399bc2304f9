/** What an image may cost: a board with 512 MB makes thumbnails beside its other work. */

/** Compressed, as it is read into memory. */
export const MAX_ORIGINAL_BYTES = 32 * 2 ** 20
/** What phones make. More would be minutes of a slow core; the memory does not depend on it, save that of progressive JPEGs. */
export const MAX_PIXELS = 64_000_000
/** As in JPEG. One row of a PNG is in memory. */
export const MAX_SIDE = 65_535
/** The decoder's. A progressive JPEG takes 3.3 bytes a pixel: 24 million pixels 79 MB. */
export const MAX_DECODER_BYTES = 128 * 2 ** 20
/** Of one image, on a slow board: longer are only those that were made to be. */
export const MAX_TIME_MS = 40_000
/** The longer side of a thumbnail. */
export const THUMBNAIL_PIXELS = 320
/** Of the JPEG; from 1 to 100. */
export const THUMBNAIL_QUALITY = 80
