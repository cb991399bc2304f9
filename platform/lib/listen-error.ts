/** Why a server cannot listen, and what to do. */
import { BrambleError, hasCode } from './errors.ts'

/** `setting` is the one that names the port. What is not about the address stays as it is. */
export function listenError(cause: unknown, { host, port, setting }: {
  readonly host: string; readonly port: number; readonly setting: string
}): unknown {
  if (hasCode(cause, 'EADDRINUSE')) {
    return new BrambleError('CONFLICT', `port ${port} is taken; stop the program that holds it or set ${setting}`, { cause })
  }
  if (hasCode(cause, 'EACCES')) {
    return new BrambleError('FORBIDDEN', `port ${port} is not for every user; set ${setting} to one above 1023`, { cause })
  }
  if (hasCode(cause, 'EADDRNOTAVAIL') || hasCode(cause, 'ENOTFOUND') || hasCode(cause, 'EAI_AGAIN')) {
    return new BrambleError('INVALID', `${host} is not an address of this machine; set host to one of them`, { cause })
  }
  return cause
}
