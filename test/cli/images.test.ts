import * as assert from 'node:assert/strict'
import { cases } from '../kit.ts'
import { createWorkplace } from './bramble.ts'

const stack = `version: 1.0\nprovider:\n  name: openfaas\nfunctions:\n  hello:\n    lang: node-ts\n    handler: ./hello\n    image: 127.0.0.1:9/team/hello:1.0\n`

cases('what images cannot be done with is one line', [
  { name: 'no registry', files: {}, words: ['images'], says: /^which registry\? name it with --registry HOST:PORT, or go to a folder with a stack file$/ },
  { name: 'a registry that is an address', files: {}, words: ['images', '--registry', 'http://r.local'], says: /^registry "http:\/\/r\.local" begins with a scheme: write it like registry\.local:5000$/ },
  { name: 'a registry that is not there', files: { 'stack.yml': stack }, words: ['images'], says: /^registry 127\.0\.0\.1:9 cannot be reached: the connection is refused; / },
  { name: 'a wrong image', files: {}, words: ['images', 'r.local/Hello'], says: /^image "r\.local\/Hello" has capital letters/ },
  { name: 'a list that is to be confirmed', files: { 'stack.yml': stack }, words: ['images', '--yes'], says: /^--dry-run and --yes belong to "bramble images prune"$/ },
  { name: 'a prune of one image', files: { 'stack.yml': stack }, words: ['images', 'prune', 'hello'], says: /^images prune does not know what to do with "hello"/ },
  { name: 'a prune without a gateway', files: { 'stack.yml': stack }, words: ['images', 'prune', '-g', 'http://127.0.0.1:9'], says: /^cannot reach http:\/\/127\.0\.0\.1:9: connection refused/ },
  { name: 'a push of what was not made', files: { 'stack.yml': stack }, words: ['push'], says: /^the image 127\.0\.0\.1:9\/team\/hello:1\.0 of hello has not been made: make it with "bramble build hello"$/ },
  { name: 'a base without a push', files: { 'stack.yml': stack }, words: ['up', '--base', 'node:24'], says: /^--base and --platform are about images: add --push$/ },
  { name: 'an authority that is not there', files: { 'stack.yml': stack }, words: ['images', '--registry-ca', 'ca.pem'], says: /^the certificate authority ca\.pem does not exist$/ },
  { name: 'credentials that are not there', files: { 'stack.yml': stack }, words: ['images', '--registry-auth', 'none.json'], says: /^the file .*none\.json with registry credentials does not exist$/ },
  { name: 'an authority that is none', files: { 'stack.yml': stack, 'ca.pem': 'hello' }, words: ['images', '--registry-ca', 'ca.pem'], says: /^ca\.pem holds no certificate: it must be PEM/ },
  { name: 'a password on the command line', files: { 'stack.yml': stack }, words: ['push', '--password', 's3cret'], says: /^push has no option --password/ },
], async ({ files, words, says }) => {
  await using at = await createWorkplace(files)
  const { code, stdout, stderr } = await at.bramble(words)
  assert.deepEqual([code, stdout], [1, ''])
  assert.match(stderr.trim(), says)
  assert.ok(!stderr.trim().includes('\n'), stderr)
})
