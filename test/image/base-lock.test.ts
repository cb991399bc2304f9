import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { basePackages, formatBaseLock, lockedDebs, lockedNode, readBaseLock } from '../../platform/image/base-lock.ts'
import { supportedPlatforms } from '../../platform/image/oci.ts'
import { cases, test } from '../kit.ts'

const root = join(import.meta.dirname, '../..')
const lockFile = join(root, 'platform/image/base.lock.json')

async function failure(work: Promise<unknown>): Promise<string> {
  return work.then(() => '', (error: unknown) => String(error))
}

test('the committed lock names each package with version and hash, for each platform, and is as the command writes it', async () => {
  const lock = await readBaseLock(lockFile)
  for (const platform of supportedPlatforms) {
    const debs = lockedDebs(lock, platform)
    assert.equal(debs.map(({ name }) => name), [...basePackages])
    for (const { version, sha256 } of debs) assert.ok(version !== '' && /^[0-9a-f]{64}$/.test(sha256))
  }
  assert.is(formatBaseLock(lock), await readFile(lockFile, 'utf8'))
})

test('the same Node is locked for each platform, the one that runs here', async () => {
  for (const platform of supportedPlatforms) {
    const { version, integrity } = await lockedNode(join(root, 'package-lock.json'), platform)
    assert.is(`v${version}`, process.version)
    assert.match(integrity, /^sha512-[\w+/]{86}==$/)
  }
})

test('a platform that nobody has thought of is named, with the way out', async () => {
  const lock = await readBaseLock(lockFile)
  const platform = { os: 'linux', architecture: 'riscv64' }
  assert.throws(() => lockedDebs(lock, platform), /no base for linux\/riscv64, only for linux\/arm64 and linux\/amd64: use --base/)
  assert.match(await failure(lockedNode(join(root, 'package-lock.json'), platform)), /no Node for linux\/riscv64: use --base/)
})

cases('a lock file that says nothing is refused by its name', [
  { name: 'no JSON', text: '{', message: 'cannot be read' },
  { name: 'a list', text: '[]', message: 'does not lock the base of images' },
  { name: 'no release', text: '{"debs":{}}', message: 'does not lock the base of images' },
  { name: 'no list of packages', text: '{"release":{"id":"a","version":"1"},"debs":{"linux/arm64":{}}}', message: 'debs of linux/arm64 must be a list' },
  { name: 'no hash', text: '{"release":{"id":"a","version":"1"},"debs":{"linux/arm64":[{"name":"libc6","version":"1"}]}}', message: 'sha256 is missing' },
], async ({ text, message }) => {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-lock-'))
  try {
    await writeFile(join(folder, 'lock.json'), text)
    const said = await failure(readBaseLock(join(folder, 'lock.json')))
    assert.ok(said.includes(join(folder, 'lock.json')) && said.includes(message), said)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
