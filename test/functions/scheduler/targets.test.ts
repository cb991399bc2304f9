/** Calls of targets: what they carry, and where they may go. */
import * as assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createAllowList, type Target } from '../../../functions/scheduler/target/allow-list.ts'
import { createCallTarget, MAX_RESULT_BYTES, TargetRefused } from '../../../functions/scheduler/work/call-target.ts'
import { cases, test } from '../../kit.ts'
import { startTarget } from './target.ts'

const open = { allowedFunctions: ['*'], allowedUrls: [], privateHosts: [], tokenFunctions: [] }
const plain = { method: 'POST', headers: {}, body: '', signal: new AbortController().signal }

test('the service token goes to the functions that are named, and not over what the job says', async () => {
  await using target = await startTarget()
  const call = createCallTarget({ gatewayUrl: target.url, serviceToken: 'the service token', allowList: createAllowList({ ...open, tokenFunctions: ['trusted'] }) })
  await call({ ...plain, target: { function: 'trusted', path: '/a' } })
  await call({ ...plain, target: { function: 'other', path: '/b' } })
  await call({ ...plain, target: { function: 'trusted', path: '/c' }, headers: { authorization: 'Bearer mine' } })
  assert.deepEqual(target.calls.map(({ headers }) => headers.authorization), ['Bearer the service token', undefined, 'Bearer mine'])
})

test('a URL is called, without the service token, where its prefix and its private host are allowed', async () => {
  await using target = await startTarget()
  const { host } = new URL(target.url)
  const allowList = createAllowList({ ...open, allowedUrls: [`${target.url}/hooks/`], privateHosts: [host], tokenFunctions: ['*'] })
  const call = createCallTarget({ gatewayUrl: 'http://127.0.0.1:9', serviceToken: 'the service token', allowList })
  const answer = await call({ ...plain, target: { url: `${target.url}/hooks/a?text=hello` }, body: 'x' })
  assert.deepEqual([answer.status, answer.text, target.calls[0]?.headers.authorization], [200, 'hello', undefined])
})

cases('a call is refused before a connection is made:', [
  { name: 'a private address that no host allows', allowedUrls: ['http://127.0.0.1/'], target: { url: 'http://127.0.0.1/' } },
  { name: 'a name that means a private address', allowedUrls: ['https://rebound.example/'], target: { url: 'https://rebound.example/' } },
  { name: 'a prefix that is allowed no more', allowedUrls: [], target: { url: 'https://api.example.org/' } },
] satisfies { name: string; allowedUrls: string[]; target: Target }[], async ({ allowedUrls, target }: { allowedUrls: string[]; target: Target }) => {
  const call = createCallTarget({
    gatewayUrl: 'http://127.0.0.1:9', serviceToken: '', allowList: createAllowList({ ...open, allowedUrls }),
    lookup: async () => [{ address: '93.184.215.14', family: 4 }, { address: '10.0.0.1', family: 4 }],
  })
  await assert.rejects(call({ ...plain, target }), (error) => error instanceof TargetRefused)
})

test('a connection goes to the address that was checked, whatever the name means by then', async () => {
  await using target = await startTarget()
  const { port } = new URL(target.url)
  const url = `http://name.example:${port}/pinned`
  let asked = 0
  const call = createCallTarget({
    gatewayUrl: 'http://127.0.0.1:9', serviceToken: '', allowList: createAllowList({ ...open, allowedUrls: [url] }),
    // Loopback stands for a public address; the name is known to nobody else.
    lookup: async () => { asked++; return [{ address: '127.0.0.1', family: 4 }] }, isPublic: (text) => text === '127.0.0.1',
  })
  assert.equal((await call({ ...plain, target: { url } })).status, 200)
  assert.deepEqual([asked, target.calls[0]?.headers.host], [1, `name.example:${port}`])
})

test('of an answer without end only the beginning is kept, and the rest is not waited for', async () => {
  let sentBytes = 0
  const server = createServer((_, response) => {
    const more = (): void => {
      while (!response.destroyed) {
        sentBytes += 65_536
        if (!response.write('x'.repeat(65_536))) break
      }
    }
    response.on('drain', more)
    more()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : 0
  const call = createCallTarget({ gatewayUrl: `http://127.0.0.1:${port}`, serviceToken: '', allowList: createAllowList(open) })
  const { text } = await call({ ...plain, target: { function: 'endless', path: '/' } })
  assert.equal(text.length, MAX_RESULT_BYTES)
  assert.ok(sentBytes >= 8 * 2 ** 20)
  server.closeAllConnections()
  server.close()
  await once(server, 'close')
})
