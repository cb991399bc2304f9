import * as assert from 'node:assert/strict'
import { createRouter } from '../../../template/node-ts/runtime/service/router.ts'
import { cases } from '../../kit.ts'

const router = createRouter<string>()
for (const at of ['/v1/things/:id', '/v1/things/mine', '/v1/files/:path*', '/v1/files/one/two']) router.add(at, at)

cases('a path is found', [
  { name: 'a name', path: '/v1/things/a%20b', found: '/v1/things/:id', params: { id: 'a b' } },
  { name: 'a word before a name', path: '/v1/things/mine', found: '/v1/things/mine', params: {} },
  { name: 'all that is left', path: '/v1/files/a/b/c.txt', found: '/v1/files/:path*', params: { path: 'a/b/c.txt' } },
  { name: 'one segment that is left', path: '/v1/files/a', found: '/v1/files/:path*', params: { path: 'a' } },
  { name: 'a slash that is written as %2F', path: '/v1/files/a%2Fb/c', found: '/v1/files/:path*', params: { path: 'a/b/c' } },
  { name: 'empty segments within', path: '/v1/files/a//b/', found: '/v1/files/:path*', params: { path: 'a//b/' } },
  { name: 'words before all that is left', path: '/v1/files/one/two', found: '/v1/files/one/two', params: {} },
  { name: 'nothing left', path: '/v1/files/', found: undefined, params: undefined },
  { name: 'not even a slash', path: '/v1/files', found: undefined, params: undefined },
  { name: 'a segment too many', path: '/v1/things/a/b', found: undefined, params: undefined },
], ({ path, found, params }) => {
  const match = router.find(path)
  assert.deepEqual([match?.found, match?.params], [found, params])
})
