import * as assert from 'node:assert/strict'
import { apiErrorOf, translate } from '../../../platform/provider/kubernetes/errors.ts'
import { cases } from '../../kit.ts'

const body = (more: object): string => JSON.stringify({ kind: 'Status', ...more })

cases('an answer of the API is told in our words', [
  { name: 'not there', status: 404, text: body({ reason: 'NotFound', message: 'deployments.apps "echo" not found' }), code: 'NOT_FOUND', words: /function echo: deployments\.apps "echo" not found/ },
  {
    name: 'a field that is wrong, by its name', status: 422,
    text: body({ reason: 'Invalid', message: 'Deployment.apps "echo" is invalid: long', details: { causes: [{ field: 'spec.template.labels', message: 'a valid label must …' }] } }),
    code: 'INVALID', words: /spec\.template\.labels: a valid label must/,
  },
  { name: 'not allowed', status: 403, text: body({ reason: 'Forbidden', message: 'deployments.apps is forbidden: User "x" cannot patch' }), code: 'UNAVAILABLE', words: /roles of deploy\.yml/ },
  { name: 'a full quota is the caller\'s', status: 403, text: body({ reason: 'Forbidden', message: 'is forbidden: exceeded quota: small' }), code: 'INVALID', words: /exceeded quota/ },
  { name: 'credentials nobody knows', status: 401, text: body({}), code: 'UNAVAILABLE', words: /does not know this platform's credentials/ },
  { name: 'too much at a time', status: 429, text: body({ message: 'too many requests' }), code: 'BUSY', words: /too many requests/ },
  { name: 'a server that starts', status: 503, text: 'apiserver not ready', code: 'UNAVAILABLE', words: /apiserver not ready/ },
  { name: 'a text of something in between', status: 502, text: '<html>bad gateway</html>', code: 'UNAVAILABLE', words: /bad gateway/ },
], ({ status, text, code, words }) => {
  const error = translate(apiErrorOf(status, text), 'function echo')
  assert.equal(error.code, code)
  assert.match(error.message, words)
})

cases('an API that is away', [
  { name: 'refuses', error: Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:6443'), { code: 'ECONNREFUSED' }) },
  { name: 'is silent', error: new Error('no answer within 30000 ms') },
], ({ error }) => {
  const translated = translate(error, 'function echo')
  assert.equal(translated.code, 'UNAVAILABLE')
  assert.match(translated.message, /cannot be reached \(.*\); functions go on serving/)
})
