/** The same 22 bytes out of an Express app. */
import type { ListenerHandler } from '@bramble/runtime'
import express from 'express'

const app = express()
app.get('/', (_request, response) => { response.send('twenty-two bytes, done') })

const handler: ListenerHandler = { listener: app }

export default handler
