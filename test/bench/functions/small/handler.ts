/** 22 bytes: a call that does nothing. */
import type { Handler } from '@bramble/runtime'

const handler: Handler = () => 'twenty-two bytes, done'

export default handler
