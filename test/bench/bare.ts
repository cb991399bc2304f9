/** A bare `node:http` handler answering 22 bytes: what Node itself costs. Prints its port. */
import { createServer } from 'node:http'
import { announce } from './announce.ts'

const body = '{"message":"hello you"}'.slice(0, 22)

announce(createServer((request, response) => {
  request.resume()
  response.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': body.length })
  response.end(body)
}))
