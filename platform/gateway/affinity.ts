/**
 * Which replica a call belongs to, by what the annotation `bramble/affinity` names. Rendezvous hashing: each pair of a key and a
 * place has a weight, and the heaviest place that can take calls has the key. One place more or less moves its share of the keys
 * and no others. Pure.
 */
import type { Affinity } from '../openfaas/affinity.ts'
import { type Candidate, choose } from './balance.ts'

/** A replica that has a place in the ranking; `placeSeed(place)`. */
export type Placed = Candidate & { readonly placeSeed: number }

/** As `choose` of `balance.ts`, and by the key where the function has an affinity and the call a key. */
export function chooseReplica<T extends Placed>(
  target: { readonly replicas: readonly T[]; readonly affinity: Affinity | undefined },
  call: { readonly path: string; readonly headers: readonly string[] }, nowMs: number, except?: T,
): T | undefined {
  const key = target.affinity === undefined ? undefined : affinityKey(target.affinity, call.path, call.headers)
  return key === undefined ? choose(target.replicas, nowMs, except) : chooseByKey(target.replicas, key, nowMs, except)
}

/** What of the call decides; `undefined` when it lacks it: any replica will do then. */
export function affinityKey(affinity: Affinity, path: string, headers: readonly string[]): string | undefined {
  return affinity.by === 'path' ? partsOfPath(path, affinity.segments) : headerValue(headers, affinity.name)
}

/** The replica that has the key, among those that can take a call; `undefined` when there is none. `except` has just failed it. */
export function chooseByKey<T extends Placed>(candidates: readonly T[], key: string, nowMs: number, except?: T): T | undefined {
  const hash = hashOf(key)
  let best: T | undefined
  let bestWeight = -1
  for (const one of candidates) {
    if (one === except || one.isSilent || one.asideUntilMs > nowMs) continue
    const weight = mixed(hash ^ one.placeSeed)
    if (weight <= bestWeight) continue
    best = one
    bestWeight = weight
  }
  return best
}

/** Places are small whole numbers: neighbours must look nothing like each other. */
export function placeSeed(place: number): number {
  return mixed(Math.imul(place + 1, GOLDEN))
}

const GOLDEN = 0x9e3779b1

/** The segments as they are meant: `%41` and `A` are one key. */
function partsOfPath(path: string, segments: readonly number[]): string | undefined {
  const question = path.indexOf('?')
  const all = (question < 0 ? path : path.slice(0, question)).split('/')
  let key = ''
  for (const segment of segments) {
    const part = all[segment]
    if (part === undefined || part === '') return undefined
    key += `/${part.includes('%') ? decoded(part) : part}`
  }
  return key
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

function headerValue(headers: readonly string[], name: string): string | undefined {
  for (let index = 0; index < headers.length; index += 2) {
    const one = headers[index] ?? ''
    if (one.length === name.length && one.toLowerCase() === name) return headers[index + 1] || undefined
  }
  return undefined
}

/** FNV-1a over UTF-16 units, both bytes of each: short keys, no table, no allocation. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    hash = Math.imul(hash ^ (unit & 0xff), 0x01000193)
    hash = Math.imul(hash ^ (unit >>> 8), 0x01000193)
  }
  return hash
}

/** The last step of MurmurHash3: every bit of the number has a say in every bit of the result, from 0 to 2^32 - 1. */
function mixed(number: number): number {
  let h = number
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
