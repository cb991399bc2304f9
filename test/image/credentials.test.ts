import * as assert from 'node:assert/strict'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCredentials, type Credential } from '../../platform/image/credentials.ts'
import { cases, test } from '../kit.ts'

const basic = (pair: string): { readonly auth: string } => ({ auth: Buffer.from(pair).toString('base64') })

type Place = AsyncDisposable & { readonly folder: string; find(registry: string, repository?: string): Promise<Credential | undefined> }

/** A Docker configuration, with programs beside it that are on the path. */
async function place(config: unknown, helpers: Readonly<Record<string, string>> = {}, file?: string): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-docker-'))
  await writeFile(join(folder, 'config.json'), typeof config === 'string' ? config : JSON.stringify(config))
  for (const [name, script] of Object.entries(helpers)) {
    await writeFile(join(folder, `docker-credential-${name}`), `#!/bin/sh\n${script}\n`)
    await chmod(join(folder, `docker-credential-${name}`), 0o755)
  }
  const credentials = createCredentials({ dockerFolder: folder, file: file && join(folder, file), env: { PATH: `${folder}:${process.env['PATH']}` } })
  return {
    folder,
    find: (registry, repository = 'team/hello') => credentials.find(registry, repository),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}

cases('a login is found', [
  { name: 'by the name of the registry', auths: { 'registry.local:5000': basic('ann:a') }, registry: 'registry.local:5000', user: 'ann', password: 'a' },
  { name: 'with a colon in the password', auths: { 'registry.local': basic('ann:a:b') }, registry: 'registry.local', user: 'ann', password: 'a:b' },
  { name: 'by an address', auths: { 'https://registry.local/v2/': basic('ann:a') }, registry: 'registry.local', user: 'ann', password: 'a' },
  { name: 'of Docker Hub under its old name', auths: { 'https://index.docker.io/v1/': basic('ann:a') }, registry: 'docker.io', user: 'ann', password: 'a' },
  { name: 'as plain fields', auths: { 'registry.local': { username: 'ann', password: 'a' } }, registry: 'registry.local', user: 'ann', password: 'a' },
  { name: 'of the folder before that of the registry', auths: { 'registry.local': basic('ann:a'), 'registry.local/team': basic('bea:b') }, registry: 'registry.local', user: 'bea', password: 'b' },
  { name: 'and one of a folder with a similar name is not', auths: { 'registry.local': basic('ann:a'), 'registry.local/tea': basic('bea:b') }, registry: 'registry.local', user: 'ann', password: 'a' },
], async ({ auths, registry, user, password }) => {
  await using at = await place({ auths })
  const found = await at.find(registry)
  assert.ok(found?.kind === 'password')
  assert.deepEqual([found.user, found.password], [user, password])
  assert.ok(found.origin.startsWith(join(at.folder, 'config.json')))
})

test('no login is no error: not in the file, no file', async () => {
  await using at = await place({ auths: { 'registry.local': {} } })
  assert.equal(await at.find('registry.local'), undefined)
  assert.equal(await at.find('other.local'), undefined)
  assert.equal(await createCredentials({ dockerFolder: join(at.folder, 'none'), env: {} }).find('registry.local', 'hello'), undefined)
})

test('an identity token wins over the user it was made for', async () => {
  await using at = await place({ auths: { 'registry.local': { ...basic('ann:'), identitytoken: 't' } } })
  const found = await at.find('registry.local')
  assert.deepEqual(found?.kind === 'identity token' && found.token, 't')
})

cases('a file that cannot be used is named, and nothing of it is shown', [
  { name: 'a file that somebody named and that is not there', config: {}, file: 'none.json', says: /none\.json with registry credentials does not exist/ },
  { name: 'no JSON', config: '{"auths": {"r": {"auth": s3cret}}', file: 'config.json', says: /is no JSON/ },
  { name: 'no base64 of a pair', config: { auths: { 'registry.local': { auth: Buffer.from('s3cret').toString('base64') } } }, file: 'config.json', says: /must be the base64 of USER:PASSWORD/ },
], async ({ config, file, says }) => {
  await using at = await place(config, {}, file)
  await assert.rejects(at.find('registry.local'), (error: Error) => {
    assert.match(error.message, says)
    assert.ok(!JSON.stringify([error.message, error.stack, String(error.cause)]).includes('s3cret'))
    return true
  })
})

cases('a credential helper', [
  { name: 'of this registry is asked for it', config: { credHelpers: { 'registry.local': 'one' }, credsStore: 'two' }, is: ['ann', 'registry.local'] },
  { name: 'of all others is asked for the rest', config: { credHelpers: { 'other.local': 'one' }, credsStore: 'two' }, is: ['bea', 'registry.local'] },
  { name: 'that knows nothing leaves it to the file', config: { credsStore: 'none', auths: { 'registry.local': basic('cid:c') } }, is: ['cid', 'c'] },
], async ({ config, is }) => {
  const answer = (user: string): string => `[ "$1" = get ] && read -r host; printf '{"ServerURL":"%s","Username":"${user}","Secret":"%s"}' "$host" "$host"`
  await using at = await place(config, { one: answer('ann'), two: answer('bea'), none: 'echo "credentials not found in native keychain"; exit 1' })
  const found = await at.find('registry.local')
  assert.ok(found?.kind === 'password')
  assert.deepEqual([found.user, found.password], is)
})

test('a helper may give an identity token', async () => {
  await using at = await place({ credsStore: 'token' }, { token: `echo '{"Username":"<token>","Secret":"t"}'` })
  const found = await at.find('registry.local')
  assert.deepEqual(found?.kind === 'identity token' && found.token, 't')
})

cases('a helper that does not work is named', [
  { name: 'one that is not installed', helper: 'absent', script: undefined, says: /docker-credential-absent, which .* is not installed: install it, or name a file with --registry-auth/ },
  { name: 'one that fails', helper: 'locked', script: 'echo "the key ring is locked"; exit 1', says: /docker-credential-locked failed for registry\.local: the key ring is locked/ },
  { name: 'one that says something else', helper: 'odd', script: 'echo s3cret', says: /docker-credential-odd did not answer with a user and a secret$/ },
  { name: 'one whose name is a path', helper: '../evil', script: undefined, says: /has no valid name/ },
], async ({ helper, script, says }) => {
  await using at = await place({ credsStore: helper }, script === undefined ? {} : { [helper]: script })
  await assert.rejects(at.find('registry.local'), { code: 'INVALID', message: says })
})
