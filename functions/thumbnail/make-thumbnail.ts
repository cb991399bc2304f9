/** One thumbnail at a time, each in a thread of its own that is ended when it takes too long. */
import { Worker } from 'node:worker_threads'
import { decoderModule } from './decoder-module.ts'
import { type ThreadInput, type ThreadOutput, threadFile } from './image-thread.ts'
import { MAX_TIME_MS } from './limits.ts'
import type { Thumbnail } from './shrink-image.ts'
import { UnfitImage } from './unfit-image.ts'

/** The heap of JavaScript in the thread; the image and the decoder's memory lie outside of it. */
const HEAP_MIB = 64
const YOUNG_HEAP_MIB = 2

/** The bytes are the thread's afterwards. Throws `UnfitImage`. */
export async function makeThumbnail(bytes: Uint8Array<ArrayBuffer>, limitMs = MAX_TIME_MS): Promise<Thumbnail> {
  const workerData: ThreadInput = { thumbnailOf: bytes, module: await decoderModule() }
  const worker = new Worker(threadFile, {
    workerData, transferList: [bytes.buffer], name: 'thumbnail', resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB, maxYoungGenerationSizeMb: YOUNG_HEAP_MIB },
  })
  let timer: NodeJS.Timeout | undefined
  try {
    const output = await new Promise<ThreadOutput>((resolve, reject) => {
      timer = setTimeout(() => reject(new UnfitImage(`this image takes longer than ${limitMs} ms`)), limitMs)
      worker.on('message', resolve).on('error', reject).on('exit', (code) => reject(new Error(`the thread of an image ended with code ${code}`)))
    })
    if ('unfit' in output) throw new UnfitImage(output.unfit)
    return output.thumbnail
  } finally {
    clearTimeout(timer)
    await worker.terminate()
  }
}
