/** The function of all scenarios, without dependencies: it echoes, or answers as its environment says. */
import type { Scenario } from './scenario.ts'

export const echoFunction = `
import { createServer } from 'node:http'

const upstream = JSON.parse(process.env.upstream ?? 'null')

createServer((req, res) => {
  const chunks = []
  req.on('data', (chunk) => chunks.push(chunk))
  req.on('end', () => {
    if (req.url.startsWith('/_/')) return res.end('OK')
    if (upstream !== null) return res.writeHead(upstream.status ?? 200, upstream.headers).end(upstream.body)
    res.writeHead(200, { 'content-type': 'text/plain' })
    res.end(Buffer.concat([Buffer.from(req.method + ' ' + req.url + '\\n'), ...chunks]))
  })
}).listen(Number(process.env.port), process.env.host)

process.on('SIGTERM', () => process.exit(0))
`

/** Every image that the scenarios speak of and that can be there. */
export function imagesOf(scenarios: readonly Scenario[]): string[] {
  const images = new Set<string>()
  for (const { given, exchanges } of scenarios) {
    for (const { deployment } of given?.functions ?? []) images.add(deployment.image)
    for (const { request: { body } } of exchanges) {
      if (typeof body === 'object' && body !== null && 'image' in body && body.image !== 'Bad Image') images.add(String(body.image))
    }
  }
  return [...images]
}
