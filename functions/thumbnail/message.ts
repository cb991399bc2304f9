/** What the files service says of a new image. */
import { HttpError } from '@bramble/runtime'
import type { Version } from './stored-files.ts'

const fileIdForm = /^[A-Za-z0-9_-]{1,64}$/

/** Throws a 400, which nobody tries again. */
export function readMessage(body: unknown): Version {
  const fileId = memberOf(body, 'file_id')
  const version = memberOf(body, 'version')
  if (typeof fileId !== 'string' || !fileIdForm.test(fileId)) throw new HttpError(400, 'file_id must be the id of a file')
  if (typeof version !== 'number' || !Number.isSafeInteger(version)) throw new HttpError(400, 'version must be the number of a version')
  return { fileId, version }
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}
