/** Plain http-proxy with a keep-alive agent: what most gateways in Node are. `… http://host:port` */
import { Agent, createServer, ServerResponse } from 'node:http'
import httpProxy from 'http-proxy'
import { announce } from './announce.ts'

const proxy = httpProxy.createProxyServer({ target: process.argv[2], agent: new Agent({ keepAlive: true }) })
proxy.on('error', (_error, _request, response) => {
  if (response instanceof ServerResponse && !response.headersSent) response.writeHead(502)
  response.end()
})
const server = createServer((request, response) => proxy.web(request, response))
server.on('upgrade', (request, socket, head) => proxy.ws(request, socket, head))
announce(server)
