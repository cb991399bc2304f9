/** A person's photos, which are the images of the folder `photos` at the files service. */
import { type Body, jsonOf, type Services } from './services.ts'
import { isRecord, itemsOf, textIn } from './shapes.ts'

export type Photo = {
  readonly name: string
  readonly size: number
  readonly created_at: string
  /** Another one when it is replaced; `created_at` stays. */
  readonly version: number
  /** Whether there is a thumbnail already. */
  readonly thumbnail: boolean
}

/** Whose call it is, and which. */
export type Who = { readonly token: string; readonly callId: string }

export type Photos = {
  /** Newest first. */
  list(who: Who): Promise<readonly Photo[]>
  /** The files service's answers, as they are. */
  put(who: Who, name: string, contentType: string, body: Body): Promise<Response>
  remove(who: Who, name: string): Promise<Response>
}

const PAGE = 100
/** More would be a list that nobody looks at to its end. */
const MAX_PHOTOS = 1000

export function createPhotos(call: Services): Photos {
  const at = (name: string): string => `files/v1/files/photos/${encodeURIComponent(name)}`
  return {
    async list(who) {
      const photos: Photo[] = []
      for (let cursor = ''; ;) {
        const page = await jsonOf(await call(`files/v1/list?folder=photos&limit=${PAGE}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`, who))
        photos.push(...itemsOf(page).filter((file) => textIn(file, 'content_type').startsWith('image/')).map(photoOf))
        cursor = textIn(page, 'next_cursor')
        if (cursor === '' || photos.length >= MAX_PHOTOS) break
      }
      return photos.sort((one, other) => other.created_at.localeCompare(one.created_at))
    },
    put: (who, name, contentType, body) => call(at(name), { ...who, method: 'PUT', headers: { 'content-type': contentType }, body }),
    remove: (who, name) => call(at(name), { ...who, method: 'DELETE' }),
  }
}

function photoOf(file: unknown): Photo {
  return {
    name: textIn(file, 'name'), created_at: textIn(file, 'created_at'),
    size: isRecord(file) ? Number(file['size']) : 0, version: isRecord(file) ? Number(file['version']) : 0, thumbnail: isRecord(file) && file['thumbnail'] === true,
  }
}
