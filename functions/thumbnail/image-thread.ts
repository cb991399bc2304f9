/**
 * The entry of an image's thread: its memory goes when it ends, it can be ended, and the function answers meanwhile. In a bundle the
 * thread runs the same file as the function: this module comes first there, and never lets the rest begin.
 */
import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import { shrinkImage, type Thumbnail } from './shrink-image.ts'
import { UnfitImage } from './unfit-image.ts'

export type ThreadInput = { readonly thumbnailOf: Uint8Array; readonly module: object }
export type ThreadOutput = { readonly thumbnail: Thumbnail } | { readonly unfit: string }

if (!isMainThread && parentPort !== null && isInput(workerData)) {
  // Until it is ended.
  parentPort.on('message', () => undefined)
  const { module, thumbnailOf: { buffer, byteOffset, byteLength } } = workerData
  const output: ThreadOutput = await shrinkImage(module, Buffer.from(buffer, byteOffset, byteLength)).then(
    (thumbnail) => ({ thumbnail }),
    (error: unknown) => {
      if (error instanceof UnfitImage) return { unfit: error.message }
      throw error
    })
  parentPort.postMessage(output)
  await new Promise(() => undefined)
}

/** What to give to `new Worker`. */
export const threadFile: string = import.meta.filename

function isInput(value: unknown): value is ThreadInput {
  return typeof value === 'object' && value !== null && 'thumbnailOf' in value && 'module' in value
}
