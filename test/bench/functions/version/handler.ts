/** Which deployment answers. */
import type { Handler } from '@bramble/runtime'

const handler: Handler = () => process.env['version']

export default handler
