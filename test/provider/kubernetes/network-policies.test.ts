import * as assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { exitsPolicy, namespacePolicies } from '../../../platform/provider/kubernetes/network-policies.ts'
import { listAt, objectAt, textAt } from '../../../platform/provider/kubernetes/json.ts'
import { cases, test } from '../../kit.ts'
import { specOf } from '../spec-of.ts'

const block = (cidr: string): object => ({ ipBlock: { cidr } })
const tcp = (port: number): object[] => [{ protocol: 'TCP', port }]

cases('an exit is', [
  { name: 'an address', text: '192.168.1.7', egress: [{ to: [block('192.168.1.7/32')] }] },
  { name: 'a network with a port', text: '10.1.2.0/24:5432', egress: [{ to: [block('10.1.2.0/24')], ports: tcp(5432) }] },
  { name: 'one of the newer kind', text: '[fd00::1]:443', egress: [{ to: [block('fd00::1/128')], ports: tcp(443) }] },
  { name: 'one of several', text: '10.0.0.1:80, 10.0.0.2:80', egress: [{ to: [block('10.0.0.1/32')], ports: tcp(80) }, { to: [block('10.0.0.2/32')], ports: tcp(80) }] },
], ({ text, egress }) => {
  const policy = exitsPolicy(specOf('echo', { annotations: { 'bramble/exits': text } }))
  assert.equal(policy?.name, 'echo-exits')
  assert.deepEqual(objectAt(policy?.body, 'spec'), { podSelector: { matchLabels: { faas_function: 'echo' } }, policyTypes: ['Egress'], egress })
})

test('the Internet is not the house', () => {
  const policy = exitsPolicy(specOf('echo', { annotations: { 'bramble/exits': 'internet:443' } }))
  const [rule] = listAt(policy?.body, 'spec', 'egress')
  const [four] = listAt(rule, 'to')
  assert.equal(textAt(four, 'ipBlock', 'cidr'), '0.0.0.0/0')
  assert.ok(listAt(four, 'ipBlock', 'except').includes('192.168.0.0/16'))
})

cases('is no exit', [
  { name: 'a name, which policies do not know', text: 'api.example.com:443' }, { name: 'half an address', text: '10.0.1' },
  { name: 'a number too large', text: '10.0.0.256' }, { name: 'no port at all', text: '10.0.0.1:0' }, { name: 'a port too large', text: 'internet:70000' },
  { name: 'nothing between commas', text: '10.0.0.1,,10.0.0.2' }, { name: 'a mask too long', text: '10.0.0.0/33' },
], ({ text }) => assert.throws(() => exitsPolicy(specOf('echo', { annotations: { 'bramble/exits': text } })), { code: 'INVALID', message: /bramble\/exits/ }))

test('without exits there is no policy of its own', () => assert.equal(exitsPolicy(specOf('echo')), undefined))

test('the default namespace gets from deploy.yml what others get from the platform', () => {
  const text = readFileSync(join(import.meta.dirname, '../../../platform/deploy.yml'), 'utf8')
  const listed = parseAllDocuments(text).map((one): unknown => one.toJS())
    .filter((one) => textAt(one, 'kind') === 'NetworkPolicy' && textAt(one, 'metadata', 'namespace') === 'openfaas-fn')
  assert.deepEqual(listed, namespacePolicies('openfaas-fn').map(({ body }) => body))
})
