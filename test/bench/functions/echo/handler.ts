/** Sends back what it gets. */
import type { Handler } from '@bramble/runtime'

const handler: Handler = (event) => event.body

export default handler
