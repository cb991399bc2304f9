/**
 * SQL's values as JSON, exact both ways: what a JSON number cannot hold is an object with one key. A number is one that every
 * JSON reader keeps as it is: whole and up to 2^53 - 1, or a fraction.
 */
import { Problem } from '@bramble/runtime/service/problem'
import * as z from 'zod'
import type { Parameter, Parameters, SqlValue } from './engine/types.ts'

const MAX_INTEGER = 2n ** 63n - 1n
const MIN_INTEGER = -(2n ** 63n)

export const JsonValue = z.union([
  z.null(),
  z.number().min(Number.MIN_SAFE_INTEGER).max(Number.MAX_SAFE_INTEGER),
  z.string(),
  z.strictObject({ integer: z.string().regex(/^-?(?:0|[1-9]\d{0,18})$/) }),
  z.strictObject({ real: z.string().regex(/^(?:-?Infinity|-?\d{1,20}(?:\.\d{1,20})?(?:[eE][-+]?\d{1,3})?)$/) }),
  z.strictObject({ blob: z.base64() }),
], {
  error: 'must be null, a number up to 2^53 - 1, a text, {"integer":"…"} for other whole numbers, {"real":"…"} for other numbers, or {"blob":"base64"}',
}).meta({ id: 'Value', description: 'A number is exact up to 2^53 - 1; `integer` holds 64 bits, `real` what is larger or infinite, `blob` base64.' })

export type JsonValue = z.infer<typeof JsonValue>

export const JsonParameters = z.union([z.array(JsonValue), z.record(z.string().max(128), JsonValue)], {
  error: 'must be a list of values for ?, or an object of values for :name, @name and $name',
}).meta({ id: 'Parameters', description: 'A list for `?`, or an object for `:name`, `@name` and `$name` (its keys may leave out the sign).' })

export type JsonParameters = z.infer<typeof JsonParameters>

/** `path` is where it stands in the body. Throws a 422 for a whole number of more than 64 bits. */
export function fromJson(value: JsonValue, path: string): Parameter {
  if (typeof value !== 'object' || value === null) return value
  if ('blob' in value) return Buffer.from(value.blob, 'base64')
  if ('real' in value) return { real: Number(value.real) }
  const integer = BigInt(value.integer)
  if (integer < MIN_INTEGER || integer > MAX_INTEGER) {
    const detail = 'has more than 64 bits: send it as a text'
    throw new Problem(422, 'out_of_range', `${value.integer} ${detail}`, { errors: [{ in: 'body', path, detail }] })
  }
  return integer
}

export function parametersFromJson(parameters: JsonParameters, path: string): Parameters {
  if (Array.isArray(parameters)) return parameters.map((value, i) => fromJson(value, `${path}/${i}`))
  return Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name, fromJson(value, `${path}/${name}`)]))
}

export function toJson(value: SqlValue): JsonValue {
  if (typeof value === 'bigint') return { integer: value.toString() }
  if (typeof value === 'number') return Math.abs(value) <= Number.MAX_SAFE_INTEGER ? value : { real: String(value) }
  if (value instanceof Uint8Array) return { blob: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64') }
  return value
}
