import * as assert from 'node:assert/strict'
import { parseChallenges } from '../../platform/image/challenge.ts'
import { cases } from '../kit.ts'

cases('a challenge is understood', [
  { name: 'Basic realm="a registry"', is: [['basic', { realm: 'a registry' }]] },
  { name: 'Bearer realm="https://auth.local/token",service="registry",scope="repository:a/b:pull,push"', is: [['bearer', { realm: 'https://auth.local/token', service: 'registry', scope: 'repository:a/b:pull,push' }]] },
  { name: 'BEARER Realm = "x" , service=y', is: [['bearer', { realm: 'x', service: 'y' }]] },
  { name: 'Negotiate YWJj==, Basic realm=z, Bearer realm="q\\"q"', is: [['negotiate', {}], ['basic', { realm: 'z' }], ['bearer', { realm: 'q"q' }]] },
  { name: 'Basic', is: [['basic', {}]] },
  { name: 'Basic, Digest nonce="1"', is: [['basic', {}], ['digest', { nonce: '1' }]] },
  { name: '', is: [] },
  { name: '"', is: [] },
  { name: 'Bearer realm="never ends', is: [['bearer', {}]] },
  { name: 'realm="before a scheme"', is: [] },
], ({ name, is }) => {
  assert.deepEqual(parseChallenges(name).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]), is)
})
