/** Query parameters are outside data: one text or nothing. */
import type { Request } from 'express'
import { BrambleError } from '../../lib/errors.ts'

export function queryText(req: Request, name: string): string | undefined {
  const value = req.query[name]
  if (value === undefined || typeof value === 'string') return value
  throw new BrambleError('INVALID', `the query parameter ${name} may only be given once`)
}
