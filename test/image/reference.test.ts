import * as assert from 'node:assert/strict'
import { formatReference, parseReference, parseRegistryName, pinReference } from '../../platform/image/reference.ts'
import { cases, test } from '../kit.ts'

const digest = `sha256:${'0123456789abcdef'.repeat(4)}` as const

cases('a reference means', [
  { name: 'hello', is: 'docker.io/library/hello:latest' },
  { name: 'bramble/hello:0.1.0', is: 'docker.io/bramble/hello:0.1.0' },
  { name: 'localhost/hello', is: 'localhost/hello:latest' },
  { name: 'localhost:5000/hello:1', is: 'localhost:5000/hello:1' },
  { name: 'registry.local/team/sub/hello:1', is: 'registry.local/team/sub/hello:1' },
  { name: '[::1]:5000/hello:1', is: '[::1]:5000/hello:1' },
  { name: 'Registry.Local:5000/hello', is: 'registry.local:5000/hello:latest' },
  { name: 'index.docker.io/hello', is: 'docker.io/library/hello:latest' },
  { name: 'team/hello', is: 'docker.io/team/hello:latest' },
  { name: `hello@${digest}`, is: `docker.io/library/hello@${digest}` },
  { name: `r.local:5/a__b-c.d:v1@${digest}`, is: `r.local:5/a__b-c.d:v1@${digest}` },
], ({ name, is }) => {
  const parsed = parseReference(name)
  assert.equal(formatReference(parsed), is)
  assert.deepEqual(parseReference(is), parsed)
})

cases('a wrong reference is refused with its fault', [
  { name: '', says: /has no name/ },
  { name: 'https://registry.local/hello', says: /leave "https:\/\/" out/ },
  { name: 'a hello', says: /has a space/ },
  { name: 'registry.local/Hello', says: /capital letters in "Hello"/ },
  { name: 'registry.local//hello', says: /empty part/ },
  { name: 'registry.local/../hello', says: /has the part "\.\."/ },
  { name: 'registry.local/hello:', says: /has the tag ""/ },
  { name: 'registry.local/hello:-1', says: /has the tag "-1"/ },
  { name: 'hello@sha256:12', says: /has the digest "sha256:12"/ },
  { name: 'hello@sha512:12', says: /only sha256/ },
  { name: 'registry.local:0/hello', says: /has the port "0"/ },
  { name: 'registry.local:65536/hello', says: /has the port "65536"/ },
  { name: 'registry..local/hello', says: /no host/ },
  { name: `registry.local/${'a'.repeat(250)}`, says: /longer than 255/ },
], ({ name, says }) => {
  assert.throws(() => parseReference(name), { code: 'INVALID', message: says })
})

test('a pinned reference keeps how it was written', () => {
  assert.equal(pinReference('bramble/hello:0.1.0', digest), `bramble/hello:0.1.0@${digest}`)
  assert.equal(pinReference(`bramble/hello:0.1.0@sha256:${'0'.repeat(64)}`, digest), `bramble/hello:0.1.0@${digest}`)
})

cases('a registry alone', [
  { name: 'registry.local:5000', is: 'registry.local:5000' },
  { name: 'registry.local/', is: 'registry.local' },
  { name: 'index.docker.io', is: 'docker.io' },
], ({ name, is }) => assert.equal(parseRegistryName(name), is))

cases('what is no registry is refused', [{ name: 'http://registry.local' }, { name: 'registry.local/team' }, { name: '' }], ({ name }) => {
  assert.throws(() => parseRegistryName(name), { code: 'INVALID' })
})
