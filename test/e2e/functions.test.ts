/** Each fixture function built as any function is, deployed on the real platform, and called through its gateway. */
import * as assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { WebSocket } from 'ws'
import { buildFunctions } from '../bench/build-functions.ts'
import { startPlatform, type Platform } from '../bench/platform.ts'
import { cases, eventually, test } from '../kit.ts'

const STACK = join(import.meta.dirname, '../fixtures/functions/stack.yml')

type Deployed = AsyncDisposable & {
  readonly platform: Platform
  readonly url: string
  /** Of the function, its last lines as objects. */
  logs(): Promise<Readonly<Record<string, unknown>>[]>
}

/** `more` are fields of its deployment. */
async function deploy(name: string, { envVars = {}, ...more }: Readonly<Record<string, object>> = {}, isReady = true): Promise<Deployed> {
  await using cleaner = new AsyncDisposableStack()
  const built = cleaner.use(await buildFunctions(STACK, [name]))
  const platform = cleaner.use(await startPlatform({ functionsDir: built.folder }))
  if ('secrets' in more) await platform.request('POST', '/system/secrets', { name: 'key', value: 'quiet' })
  await platform.request('POST', '/system/functions', {
    service: name, image: `fixtures/${name}:1`, envVars: { shutdown_grace: '0s', ...envVars }, ...more,
  })
  if (isReady) await platform.ready(name)
  const owned = cleaner.move()
  return {
    platform,
    url: `${platform.url}/function/${name}`,
    async logs() {
      const text = await (await platform.request('GET', `/system/logs?name=${name}&tail=100`)).text()
      return text.split('\n').filter(Boolean).map((line) => {
        const { text: said }: { text: string } = JSON.parse(line)
        return said.startsWith('{') ? JSON.parse(said) : { message: said }
      })
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

async function pidOf(answer: Response): Promise<number> {
  const { pid }: { pid: number } = JSON.parse(await answer.text())
  return pid
}

test('events arrive as they are made, and end when their reader leaves', async () => {
  await using fn = await deploy('stream')
  const leaving = new AbortController()
  const answer = await fetch(`${fn.url}/events`, { signal: leaving.signal })
  assert.equal(answer.headers.get('content-type'), 'text/event-stream')
  let seen = ''
  for await (const chunk of answer.body ?? []) {
    seen += Buffer.from(chunk).toString()
    if (seen.includes('id: 3\n')) break
  }
  assert.match(seen, /^id: 1\ndata: tick\n\nid: 2\n/)
  leaving.abort()
  await eventually('the function is told', async () => (await fn.logs()).some(({ message }) => message === 'cancelled'))
})

test('each line of a request is answered before the next one is sent', async () => {
  await using fn = await deploy('stream')
  const call = request(`${fn.url}/lines`, { method: 'POST', headers: { 'content-type': 'application/x-ndjson' } })
  const answered = once(call, 'response')
  call.write('{"n":1}\n')
  const [answer] = await answered
  const lines = createInterface({ input: answer })[Symbol.asyncIterator]()
  assert.equal((await lines.next()).value, '{"got":{"n":1}}')
  for (const n of [2, 3]) {
    call.write(`{"n":${n}}\n`)
    assert.equal((await lines.next()).value, `{"got":{"n":${n}}}`)
  }
  call.end()
  assert.equal((await lines.next()).done, true)
})

test('a WebSocket connection carries text and bytes, and its function\'s end', async () => {
  await using fn = await deploy('websocket')
  const socket = new WebSocket(fn.url.replace('http', 'ws'))
  await once(socket, 'open')
  for (const [sent, isText] of [['ping', true], [Buffer.from([0, 255, 10]), false], ['x'.repeat(200_000), true]] as const) {
    socket.send(sent)
    const [data, isBinary] = await once(socket, 'message')
    assert.deepEqual([Buffer.from(data), isBinary], [Buffer.from(sent), !isText])
  }
  const closed = once(socket, 'close')
  await fn.platform.request('DELETE', '/system/functions', { functionName: 'websocket' })
  socket.close()
  await closed
})

test('a function that ends during a call loses that call alone, and comes back', async () => {
  await using fn = await deploy('crash')
  const before = await pidOf(await fetch(fn.url))
  assert.equal((await fetch(`${fn.url}/exit?code=3`, { method: 'POST' })).status, 502)
  assert.notEqual(await pidOf(await fetch(fn.url)), before)
})

test('a function that ends at its start is in a crash loop, with its last lines', async () => {
  await using fn = await deploy('crash', { envVars: { crash: 'start' } }, false)
  const conditions = await eventually('it is told', async () => {
    const text = await (await fn.platform.request('GET', '/system/function/crash')).text()
    return text.includes('CrashLoop') && text
  })
  assert.match(conditions, /crashing as asked/)
  assert.equal((await fetch(fn.url)).status, 503)
})

test('a slow function is given up at its exec_timeout, or when its caller leaves', async () => {
  await using fn = await deploy('slow', { envVars: { exec_timeout: '2s' } })
  assert.equal(await (await fetch(`${fn.url}?ms=10`)).text(), 'slow')
  const answer = await fetch(`${fn.url}?ms=60000`)
  assert.deepEqual([answer.status, await answer.text()], [504, 'the function took too long\n'])
  await fetch(`${fn.url}?ms=60000`, { signal: AbortSignal.timeout(100) }).catch(() => undefined)
  await eventually('both were given up', async () => {
    const reasons = (await fn.logs()).filter(({ message }) => message === 'gave up').map(({ reason }) => reason)
    return reasons.includes('TimeoutError') && reasons.includes('AbortError')
  })
})

test('a function that leaks is ended at its memory limit, with the reason, and comes back', async () => {
  await using fn = await deploy('leak', { limits: { memory: '96Mi' } })
  const before = await pidOf(await fetch(`${fn.url}?mib=1`))
  await eventually('it is another process', async () => {
    const answer = await fetch(`${fn.url}?mib=8`)
    return answer.ok && await pidOf(answer) !== before
  })
  await eventually('the reason is told', () => fn.platform.output().includes('ran out of memory (OOM)'))
})

test('large bodies go through whole, both ways', async () => {
  await using fn = await deploy('big-body')
  const bytes = 64 * 2 ** 20
  const down = await fetch(`${fn.url}?bytes=${bytes}`)
  assert.equal((await down.bytes()).length, bytes)
  const up = await fetch(fn.url, { method: 'PUT', body: Buffer.alloc(bytes) })
  assert.equal(await up.text(), String(bytes))
})

test('environment and secrets reach their function', async () => {
  await using fn = await deploy('env', { envVars: { word: 'ärger "x" $HOME' }, secrets: ['key'] })
  assert.equal(await (await fetch(`${fn.url}?variable=word`)).text(), 'ärger "x" $HOME')
  assert.equal(await (await fetch(`${fn.url}?secret=key`)).text(), 'quiet')
  assert.equal(await (await fetch(`${fn.url}?variable=data_dir`)).text(), '')
})

test('an error is the caller\'s call id and the log\'s line of TypeScript, and the process lives', async () => {
  await using fn = await deploy('throws')
  const answer = await fetch(`${fn.url}/throw`)
  const text = await answer.text()
  const callId = answer.headers.get('x-call-id') ?? ''
  assert.deepEqual([answer.status, text.includes(callId), text.includes('inner secret')], [500, callId.length > 0, false])
  const line = await eventually('it is logged', async () => (await fn.logs()).find((one) => one['callId'] === callId && one['level'] === 'error'))
  assert.match(JSON.stringify(line), /inner secret.*throws\/handler\.ts:\d+/)
  assert.deepEqual([(await fetch(`${fn.url}/http-error`)).status, (await fetch(`${fn.url}/fine`)).status], [418, 200])
})

test('a rejection that nobody handles ends the process, and another one takes over', async () => {
  await using fn = await deploy('throws')
  await fetch(`${fn.url}/lost`)
  await eventually('the end is told', () => fn.platform.output().includes('replica ended by itself'))
  assert.equal(await (await fetch(fn.url)).text(), 'fine')
})

cases('a request arrives as it was sent', [
  { name: 'a path of its own', path: '/a/b%20c?x=1&x=2', method: 'PATCH', body: '\u00e4\0b' },
  { name: 'a body of a method that has none as a rule', path: '/', method: 'DELETE', body: 'gone' },
  { name: 'nothing at all', path: '', method: 'GET', body: undefined },
], async ({ path, method, body }) => {
  await using fn = await deploy('echo')
  const answer = await fetch(fn.url + path, { method, ...(body === undefined ? {} : { body }) })
  assert.equal(await answer.text(), `${method} ${path || '/'}\n${body ?? ''}`)
})

test('values become answers, and an Express app is a function, behind the gateway too', async () => {
  await using values = await deploy('values')
  const made = await fetch(`${values.url}/status`)
  assert.deepEqual([made.status, made.headers.get('x-a'), await made.text()], [201, 'b', 'made'])
  assert.deepEqual(await (await fetch(`${values.url}/query?a=1&a=2`)).json(), { a: ['1', '2'] })
  await using express = await deploy('express')
  assert.deepEqual(await (await fetch(`${express.url}/hello/ada`)).json(), { hello: 'ada' })
})
