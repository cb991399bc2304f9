/** `/system/queue`: how much waits, and the calls that were given up: kept until somebody redrives or removes them. */
import type { RequestHandler } from 'express'
import { BrambleError } from '../../lib/errors.ts'
import { parseNamespaceName } from '../../openfaas/parse.ts'
import type { FunctionRef } from '../../openfaas/types.ts'
import type { DeadLetter, Queue } from '../../queue/queue.ts'
import { queryText } from './query.ts'

/** What has become of the asynchronous calls of one function. */
export type QueueCounts = {
  readonly ref: FunctionRef
  /** Due or under way. */
  readonly pending: number
  /** Wait for their time. */
  readonly delayed: number
  readonly inFlight: number
  readonly dead: number
}

export type QueueAdmin = Pick<Queue, 'dead'> & { counts(): readonly QueueCounts[] }

const MAX_LETTERS = 1_000
const DEFAULT_LETTERS = 100

export function listQueues({ counts }: QueueAdmin): RequestHandler {
  return (req, res) => {
    const namespace = parseNamespaceName(queryText(req, 'namespace'))
    res.json(counts().filter(({ ref }) => ref.namespace === namespace)
      .map(({ ref, pending, delayed, inFlight, dead }) => ({ ...ref, pending, delayed, inFlight, dead }))
      .sort((a, b) => (a.name < b.name ? -1 : 1)))
  }
}

/** Oldest first; `after` is the id of the last one of the page before. */
export function listDead({ dead }: QueueAdmin): RequestHandler {
  return async (req, res) => {
    const name = queryText(req, 'name')
    const after = queryText(req, 'after')
    const limit = Number(queryText(req, 'limit') ?? DEFAULT_LETTERS)
    if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LETTERS) {
      throw new BrambleError('INVALID', `limit must be a whole number from 1 to ${MAX_LETTERS}`)
    }
    const ref = name === undefined ? undefined : { name, namespace: parseNamespaceName(queryText(req, 'namespace')) }
    const letters = await dead.list({ limit, ...(ref ? { ref } : {}), ...(after === undefined ? {} : { after }) })
    res.json(letters.map(toJson))
  }
}

export function redrive({ dead }: QueueAdmin): RequestHandler {
  return async (req, res) => {
    await dead.redrive(String(req.params['id']))
    res.status(202).end()
  }
}

export function removeDead({ dead }: QueueAdmin): RequestHandler {
  return async (req, res) => {
    await dead.remove(String(req.params['id']))
    res.status(202).end()
  }
}

function toJson({ ref, enqueuedAt, diedAt, ...rest }: DeadLetter): object {
  return { ...rest, ...ref, enqueuedAt: enqueuedAt.toISOString(), diedAt: diedAt.toISOString() }
}
