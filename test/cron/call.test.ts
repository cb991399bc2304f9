import * as assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createCall } from '../../platform/cron/call.ts'
import { planJobs, type Job } from '../../platform/cron/plan.ts'
import { test } from '../kit.ts'

function job(annotations: Readonly<Record<string, string>> = {}): Job {
  const [one] = planJobs({ name: 'f', namespace: 'n', annotations: { topic: 'cron-function', schedule: '@hourly', ...annotations } })
  assert.ok(one)
  return one
}

async function serve(answer: (req: IncomingMessage, res: ServerResponse) => void): Promise<AsyncDisposable & { url: string }> {
  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  return {
    url: `http://127.0.0.1:${address.port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

test('a function is called as the cron connector calls it', async () => {
  const seen: { method?: string | undefined; url?: string | undefined; headers: IncomingMessage['headers']; body: string }[] = []
  await using gateway = await serve(async (req, res) => {
    let body = ''
    for await (const chunk of req) body += chunk
    seen.push({ method: req.method, url: req.url, headers: req.headers, body })
    res.writeHead(req.url?.startsWith('/async') ? 202 : 200).end('some answer')
  })
  const call = createCall({ gatewayUrl: () => gateway.url })
  assert.equal(await call(job(), 1), 200)
  assert.equal(await call(job({ 'bramble/invocation': 'async' }), 1), 202)
  assert.deepEqual(seen.map(({ method, url, body }) => [method, url, body]), [['POST', '/function/f.n', ''], ['POST', '/async-function/f.n', '']])
  for (const { headers } of seen) {
    assert.deepEqual([headers['x-topic'], headers['x-connector'], headers['content-length']], ['cron-function', 'cron-connector', '0'])
  }
  assert.equal(seen[0]?.headers['x-idempotency-key'], undefined)
  assert.equal(seen[1]?.headers['x-idempotency-key'], 'cron f.n @hourly UTC 1')
})

test('a run without an answer, or with half of one, has failed', async () => {
  const nobody = await serve(() => undefined)
  await nobody[Symbol.asyncDispose]()
  await assert.rejects(createCall({ gatewayUrl: () => nobody.url })(job(), 1), /ECONNREFUSED/)
  await using gateway = await serve((_req, res) => {
    res.writeHead(200, { 'content-length': 100 })
    res.write('half', () => res.destroy())
  })
  await assert.rejects(createCall({ gatewayUrl: () => gateway.url })(job(), 1))
})
