/** A disk that refuses some of what open files are asked to do. */
import { type FileHandle, open } from 'node:fs/promises'

/** `isRefused` is asked at each call, until it is disposed of. */
export async function refuse(call: 'appendFile' | 'writeFile' | 'datasync' | 'read', isRefused: () => boolean): Promise<Disposable> {
  const file = await open('/dev/null')
  const files: Record<string, (this: FileHandle, ...args: unknown[]) => Promise<unknown>> = Object.getPrototypeOf(file)
  await file.close()
  const real = files[call]
  if (real === undefined) throw new Error(`a file has no ${call}`)
  files[call] = async function (...args) {
    if (isRefused()) throw Object.assign(new Error(`ENOSPC: no space left on device, ${call}`), { code: 'ENOSPC' })
    return real.apply(this, args)
  }
  return { [Symbol.dispose]() { files[call] = real } }
}
