/** Changes that depend on what their caller has read: with `If-Match` they have the database alone, and only if it is still the same. */
import { checkIfMatch, etagOf } from '@bramble/runtime/service/etag'
import { asProblem } from './data-problem.ts'
import type { Engine } from './engine/engine.ts'
import type { Turns } from './turns.ts'

/** The number of the last change names the content. */
export function etagOfDatabase(record: number): string {
  return etagOf(record)
}

export type Change = {
  readonly engine: Engine
  readonly turns: Turns
  readonly name: string
  /** The header as it came. */
  readonly ifMatch: string | undefined
  /** It must have the database alone in any case. */
  readonly isWhole?: boolean
}

export function changing<T>({ engine, turns, name, ifMatch, isWhole = false }: Change, body: () => Promise<T>): Promise<T> {
  if (ifMatch === undefined) return isWhole ? turns.alone(name, body) : turns.share(name, body)
  return turns.alone(name, async () => {
    checkIfMatch(ifMatch, engine.get(name) === undefined ? undefined : etagOfDatabase(await recordOf(engine, name)))
    return body()
  })
}

/** Opens it when it is closed: only then is it known. */
export async function recordOf(engine: Engine, name: string): Promise<number> {
  return (await asProblem(engine.query(name, { sql: 'SELECT 1' }))).record
}
