/** The JPEG decoder and encoder of ImageScript as WebAssembly: whatever an image does to it stays in its memory, which is bounded here. */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { isAbsolute, join } from 'node:path'
import { MAX_DECODER_BYTES } from './limits.ts'

const PAGE_BYTES = 65_536
const HEADER_BYTES = 8
const MEMORY_SECTION = 5

let compiled: Promise<object> | undefined

/** Compiled once for all threads; again, where that failed. */
export function decoderModule(): Promise<object> {
  compiled ??= wasmFile().then((path) => readFile(path)).then((bytes) => WebAssembly.compile(withMemoryLimit(bytes, MAX_DECODER_BYTES))).catch((error: unknown) => {
    compiled = undefined
    throw error
  })
  return compiled
}

/**
 * A module may take 4 GB, unless it says itself that it will not: its memory section (WebAssembly core specification, 5.5.8) gets a
 * maximum. Beyond it the program inside sees an allocation that fails, and gives up.
 */
export function withMemoryLimit(module: Buffer, limitBytes: number): Buffer<ArrayBuffer> {
  for (let at = HEADER_BYTES; at < module.length;) {
    const id = module.readUInt8(at)
    const size = readNumber(module, at + 1)
    const end = size.next + size.value
    if (id === MEMORY_SECTION) {
      const [count, flags] = [module.readUInt8(size.next), module.readUInt8(size.next + 1)]
      if (count !== 1 || flags !== 0) throw new Error('the decoder has another memory than expected: look at its new version')
      const least = readNumber(module, size.next + 2)
      const memory = Buffer.from([1, 1, ...bytesOf(least.value), ...bytesOf(Math.floor(limitBytes / PAGE_BYTES))])
      return Buffer.concat([module.subarray(0, at), Buffer.from([MEMORY_SECTION, ...bytesOf(memory.length)]), memory, module.subarray(end)])
    }
    at = end
  }
  throw new Error('the decoder has no memory of its own: look at its new version')
}

/** Unsigned LEB128: seven bits a byte, lowest first. */
function readNumber(from: Buffer, at: number): { readonly value: number; readonly next: number } {
  for (let value = 0, factor = 1; ; at++, factor *= 128) {
    const byte = from.readUInt8(at)
    value += (byte % 128) * factor
    if (byte < 128) return { value, next: at + 1 }
  }
}

function bytesOf(value: number): number[] {
  return value < 128 ? [value] : [128 + (value % 128), ...bytesOf(Math.floor(value / 128))]
}

/** Beside the bundle, or in the package when the sources run as they are. */
async function wasmFile(): Promise<string> {
  if (import.meta.filename.endsWith('.ts')) return createRequire(import.meta.url).resolve('imagescript/wasm/any/jpeg.wasm')
  const { default: path } = await import('imagescript/wasm/any/jpeg.wasm')
  return isAbsolute(path) ? path : join(import.meta.dirname, path)
}
