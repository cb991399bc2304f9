/** What AlertManager posts to `/system/alert`. Source: Prometheus AlertManager, webhook format. */
import { BrambleError } from '../lib/errors.ts'
import { splitServiceName } from './names.ts'
import type { FunctionRef } from './types.ts'

export type Alert = { readonly ref: FunctionRef; readonly isFiring: boolean }

/** Alerts in one message: more are not of this world. */
const MAX_ALERTS = 10_000

/** Alerts about no function are left out. `INVALID` for anything that is not such a message. */
export function parseAlerts(body: unknown): readonly Alert[] {
  const list = field(body, 'alerts')
  if (!Array.isArray(list) || list.length > MAX_ALERTS) {
    throw new BrambleError('INVALID', 'the request body must be an AlertManager message: an object with a list "alerts"')
  }
  return list.flatMap((one: unknown) => {
    const name = field(field(one, 'labels'), 'function_name')
    const status = field(one, 'status')
    if (status !== 'firing' && status !== 'resolved') {
      throw new BrambleError('INVALID', 'each alert must have the status "firing" or "resolved"')
    }
    return typeof name === 'string' && name !== '' ? [{ ref: splitServiceName(name), isFiring: status === 'firing' }] : []
  })
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Object.entries(value).find(([key]) => key === name)?.[1] : undefined
}
