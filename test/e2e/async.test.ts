/** Asynchronous calls on the real platform: queued, worked off, given up, tried again; and nothing lost when it is killed. */
import * as assert from 'node:assert/strict'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { join } from 'node:path'
import { buildFunctions } from '../bench/build-functions.ts'
import { startPlatform, type Platform } from '../bench/platform.ts'
import { eventually, test } from '../kit.ts'

const STACK = join(import.meta.dirname, '../fixtures/functions/stack.yml')
const LIMIT = { timeoutMs: 120_000 }
const PATIENCE_MS = 40_000

type Callback = { readonly headers: IncomingHttpHeaders; readonly body: string }

async function receiveCallbacks(): Promise<AsyncDisposable & { readonly host: string; readonly got: Callback[] }> {
  const got: Callback[] = []
  const server = createServer((req, res) => {
    let body = ''
    req.on('data', (chunk: Buffer) => { body += chunk.toString() })
    req.on('end', () => {
      got.push({ headers: req.headers, body })
      res.end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  return {
    got, host: `127.0.0.1:${address.port}`,
    [Symbol.asyncDispose]: () => new Promise((resolve) => {
      server.closeAllConnections()
      server.close(() => resolve())
    }),
  }
}

async function post(platform: Platform, path: string, body: string, headers: Readonly<Record<string, string>> = {}): Promise<string> {
  const answer = await fetch(`${platform.url}/async-function/${path}`, { method: 'POST', body, headers })
  assert.equal(answer.status, 202, await answer.text())
  return answer.headers.get('x-call-id') ?? ''
}

test('an asynchronous call wakes its function, and the answer goes to the callback', async () => {
  await using built = await buildFunctions(STACK, ['echo'])
  await using receiver = await receiveCallbacks()
  await using platform = await startPlatform({ functionsDir: built.folder, env: { async_callback_hosts: receiver.host } })
  await platform.deploy({ service: 'echo', labels: { 'com.openfaas.scale.min': '0' } })
  const callId = await post(platform, 'echo', 'job', { 'X-Callback-Url': `http://${receiver.host}/done`, 'Content-Type': 'text/plain' })
  const [callback] = await eventually('the callback', () => receiver.got.length > 0 && receiver.got, PATIENCE_MS)
  assert.match(callback?.body ?? '', /job/)
  assert.equal(callback?.headers['x-call-id'], callId)
  assert.equal(callback?.headers['x-function-name'], 'echo.openfaas-fn')
  assert.equal(callback?.headers['x-function-status'], '200')
}, LIMIT)

test('what fails for good is kept, shown, and tried again on demand', async () => {
  await using built = await buildFunctions(STACK, ['throws'])
  await using platform = await startPlatform({ functionsDir: built.folder })
  await platform.request('POST', '/system/functions', {
    service: 'throws', image: 'test/throws:1', labels: {},
    annotations: { 'com.openfaas.retry.attempts': '2', 'com.openfaas.retry.min_wait': '10ms', 'com.openfaas.retry.max_wait': '20ms' },
  })
  const callId = await post(platform, 'throws/throw', 'job')
  const dead = async (): Promise<{ id: string; callId: string; attempts: number; reason: string; diedAt: string }[]> =>
    JSON.parse(await (await platform.request('GET', '/system/queue/dead')).text())
  const [letter] = await eventually('it is given up', async () => {
    const letters = await dead()
    return letters.length > 0 && letters
  }, PATIENCE_MS)
  assert.equal(letter?.callId, callId)
  assert.match(letter?.reason ?? '', /500/)
  await platform.request('POST', `/system/queue/dead/${letter?.id}`)
  const again = await eventually('it is given up again', async () => {
    const [one] = await dead()
    return one !== undefined && one.diedAt !== letter?.diedAt && one
  }, PATIENCE_MS)
  const metrics = await (await fetch(`${platform.metricsUrl}/metrics`)).text()
  assert.match(metrics, /queue_worker_messages_submitted_total\{function_name="throws\.openfaas-fn"\} 1\n/)
  assert.match(metrics, /queue_worker_dead_messages\{function_name="throws\.openfaas-fn"\} 1\n/)
  assert.match(metrics, /queue_worker_messages_processed_total\{function_name="throws\.openfaas-fn",code="500"\} 4\n/)
  await platform.request('DELETE', `/system/queue/dead/${again.id}`)
  assert.deepEqual(await dead(), [])
}, LIMIT)
