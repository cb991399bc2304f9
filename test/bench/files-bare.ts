/** The floor under the files service: a body into a file, synced, and out of it again. With `hash` it also computes the SHA-256. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { announce } from './announce.ts'

const [folder = '', hashing] = process.argv.slice(2)
let count = 0

const server = createServer(async (request, response) => {
  const path = join(folder, `bare-${request.method === 'GET' ? 0 : count++}`)
  if (request.method === 'GET') {
    response.writeHead(200, { 'content-length': (await stat(path)).size })
    return pipeline(createReadStream(path), response)
  }
  const file = await open(path, 'w')
  const hash = hashing === 'hash' ? createHash('sha256') : undefined
  for await (const chunk of request) {
    hash?.update(chunk)
    await file.write(chunk)
  }
  await file.datasync()
  await file.close()
  response.end(hash?.digest('hex'))
})
announce(server)
