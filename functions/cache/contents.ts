/** Values in JSON, and the times that come with them. */
import { isUtf8 } from 'node:buffer'
import type { Draft, Entry } from './store.ts'

/** Bytes as JSON has them. */
export type JsonContent = { readonly text?: string | undefined; readonly base64?: string | undefined }

export const TEXT_TYPE = 'text/plain; charset=utf-8'
export const BYTES_TYPE = 'application/octet-stream'

export function bytesOf({ text, base64 }: JsonContent): Buffer {
  return text === undefined ? Buffer.from(base64 ?? '', 'base64') : Buffer.from(text)
}

export function typeOf({ text }: JsonContent): string {
  return text === undefined ? BYTES_TYPE : TEXT_TYPE
}

export function jsonContent(value: Uint8Array): JsonContent {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.length)
  return isUtf8(bytes) ? { text: bytes.toString() } : { base64: bytes.toString('base64') }
}

export type JsonTimes = { readonly ttl_ms?: number | undefined; readonly stale_ms?: number | undefined }

export function timesOf({ ttl_ms, stale_ms = 0 }: JsonTimes, defaultTtlMs: number | undefined): Pick<Draft, 'freshMs' | 'staleMs'> {
  return { freshMs: ttl_ms ?? defaultTtlMs, staleMs: stale_ms }
}

/** Whole milliseconds, rounded so that 0 never looks fresh. */
export function ttlOf({ freshForMs }: Pick<Entry, 'freshForMs'>): number | undefined {
  return freshForMs === undefined ? undefined : Math.floor(freshForMs)
}

export function isFresh({ freshForMs }: Pick<Entry, 'freshForMs'>): boolean {
  return freshForMs === undefined || freshForMs > 0
}
