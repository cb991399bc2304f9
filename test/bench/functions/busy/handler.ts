/** Works on a call for 50 ms, so that there are calls to lose when its process dies. */
import type { Handler } from '@bramble/runtime'
import { setTimeout } from 'node:timers/promises'

const WORK_MS = 50

const handler: Handler = async () => {
  await setTimeout(WORK_MS)
  return 'twenty-two bytes, done'
}

export default handler
