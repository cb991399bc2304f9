/** The id of the call that the running code belongs to, for calls that are made because of it. */
import { callIdOf, currentCall } from '../call.ts'

/** `undefined` outside of any call. */
export function currentCallId(): string | undefined {
  const call = currentCall.getStore()
  return call === undefined ? undefined : callIdOf(call)
}
