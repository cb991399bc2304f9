import * as assert from 'node:assert/strict'
import { isPublicAddress } from '../../platform/queue/public-address.ts'
import { cases } from '../kit.ts'

cases('private', [
  '0.0.0.0', '10.1.2.3', '100.64.0.1', '127.0.0.1', '127.255.255.254', '169.254.169.254', '172.16.0.1', '172.31.255.255',
  '192.168.1.1', '198.18.0.1', '224.0.0.1', '255.255.255.255', '::', '::1', '::ffff:127.0.0.1', '::ffff:8.8.8.8',
  'fc00::1', 'fd12::1', 'fe80::1', 'ff02::1', '64:ff9b::7f00:1', '2002:7f00:1::', '2001:0:1::', '2001:db8::1',
].map((name) => ({ name })), ({ name }) => {
  assert.equal(isPublicAddress(name), false)
})

cases('public', ['1.1.1.1', '8.8.8.8', '172.15.0.1', '172.32.0.1', '192.167.255.255', '100.128.0.1', '2606:4700::1111', '2a00:1450::1']
  .map((name) => ({ name })), ({ name }) => {
  assert.equal(isPublicAddress(name), true)
})
