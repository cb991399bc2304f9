import { buffer } from 'node:stream/consumers'
import { execFileSync } from 'node:child_process'
import * as assert from 'uvu/assert'
import { readTar, tarBytes, type TarEntry } from '../../platform/image/tar.ts'
import { cases, test } from '../kit.ts'

const entries: readonly TarEntry[] = [
  { path: 'usr/bin/node', type: 'file', content: Buffer.from('program'), mode: 0o755 },
  { path: 'lib', type: 'link', target: 'usr/lib' },
  { path: 'tmp', type: 'folder', mode: 0o1777 },
  { path: 'empty', type: 'file', content: new Uint8Array(0), mode: 0o644 },
  { path: `deep/${'x'.repeat(90)}/${'y'.repeat(120)}/ü.txt`, type: 'file', content: Buffer.alloc(100_000, 7), mode: 0o644 },
]

test('the same entries in another order give the same bytes, whatever the time', async () => {
  const first = await buffer(tarBytes(entries))
  await new Promise((resolve) => setTimeout(resolve, 1_100))
  assert.ok(first.equals(await buffer(tarBytes(entries.toReversed()))))
})

test('what is written is read again, with the folders on the way', async () => {
  const read = await readTar(tarBytes(entries), 'the archive', () => true)
  assert.equal(read.map(({ path }) => path), [
    'deep', `deep/${'x'.repeat(90)}`, `deep/${'x'.repeat(90)}/${'y'.repeat(120)}`, entries[4]?.path,
    'empty', 'lib', 'tmp', 'usr', 'usr/bin', 'usr/bin/node',
  ])
  const node = read.find(({ path }) => path === 'usr/bin/node')
  assert.ok(node?.type === 'file' && Buffer.from(node.content).toString() === 'program' && node.mode === 0o755)
  const tmp = read.find(({ path }) => path === 'tmp')
  assert.ok(tmp?.type === 'folder' && tmp.mode === 0o1777)
  const lib = read.find(({ path }) => path === 'lib')
  assert.ok(lib?.type === 'link' && lib.target === 'usr/lib')
})

test('streamed content is written as it comes, and not a byte more than was said', async () => {
  const piece = Buffer.from('half')
  const streamed = (size: number): TarEntry[] => [
    { path: 'file', type: 'file', mode: 0o644, content: { size, async *read() { yield piece; yield piece } } },
  ]
  const [file] = await readTar(tarBytes(streamed(8)), 'the archive', () => true)
  assert.ok(file?.type === 'file' && Buffer.from(file.content).toString() === 'halfhalf')
  for (const size of [7, 9]) {
    await buffer(tarBytes(streamed(size))).then(() => assert.unreachable(`${size} bytes were accepted`), () => undefined)
  }
})

test('the tar program reads it, and sees neither owner nor date', async () => {
  const listing = execFileSync('tar', ['--numeric-owner', '-tvf', '-'], { input: await buffer(tarBytes(entries)), encoding: 'utf8', env: { TZ: 'UTC', LC_ALL: 'C.UTF-8', PATH: process.env['PATH'] } })
  assert.match(listing, /^-rwxr-xr-x 0\/0 +7 1980-01-01 00:00 usr\/bin\/node$/m)
  assert.match(listing, /^drwxrwxrwt 0\/0 +0 1980-01-01 00:00 tmp\/$/m)
  assert.match(listing, /^lrwxrwxrwx 0\/0 +0 1980-01-01 00:00 lib -> usr\/lib$/m)
})

const file = (path: string): TarEntry => ({ path, type: 'file', content: Buffer.from(''), mode: 0o644 })

cases('refused', [
  { name: 'a path that leads out', entries: [file('../etc/passwd')], message: '"../etc/passwd" cannot be a path' },
  { name: 'an absolute path', entries: [file('/etc/passwd')], message: 'cannot be a path' },
  { name: 'a name that deletes another file', entries: [file('home/.wh.index.mjs')], message: 'cannot be a path' },
  { name: 'a path given twice', entries: [file('a'), file('a')], message: '"a" comes twice' },
  { name: 'a file where a folder must be', entries: [file('a'), file('a/b')], message: '"a" is no folder' },
], async ({ entries: wrong, message }) => {
  const error = await buffer(tarBytes(wrong)).then(() => undefined, (reason: unknown) => reason)
  assert.ok(error instanceof Error && error.message.includes(message), String(error))
})

test('an archive that is cut or no archive at all is named', async () => {
  const whole = await buffer(tarBytes(entries))
  for (const bytes of [whole.subarray(0, 40_000), Buffer.alloc(2_048, 'x')]) {
    const error = await readTar(pieces(bytes), 'libc6.deb', () => true).then(() => undefined, (reason: unknown) => reason)
    assert.ok(error instanceof Error && error.message.startsWith('libc6.deb cannot be read'), String(error))
  }
})

test('files that nobody wants do not stop the reading of what follows', async () => {
  const names = Array.from({ length: 30 }, (_, index) => `file-${String(index).padStart(2, '0')}`)
  const archive = await buffer(tarBytes(names.map((path) => ({ path, type: 'file', content: Buffer.alloc(2_000, path), mode: 0o644 }))))
  const read = await readTar(pieces(archive), 'the archive', (path) => /[05]$/.test(path))
  assert.equal(read.map(({ path }) => path), names.filter((path) => /[05]$/.test(path)))
})

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += 65_536) yield bytes.subarray(start, start + 65_536)
}
