import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { promisify } from 'node:util'
import * as assert from 'uvu/assert'
import { diskError } from '../../platform/image/disk-error.ts'
import { createLayout, type BlobName, type Layout } from '../../platform/image/layout.ts'
import { digestOf, mediaTypes } from '../../platform/image/oci.ts'
import { BrambleError } from '../../platform/lib/errors.ts'
import { cases, test } from '../kit.ts'

async function openLayout(): Promise<Layout & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-layout-'))
  return { ...createLayout(join(folder, 'images')), [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) }
}

const pathOf = ({ folder }: Layout, { digest }: BlobName): string => join(folder, 'blobs', 'sha256', digest.slice(7))

async function failure(work: Promise<unknown>): Promise<BrambleError> {
  const error = await work.then(() => undefined, (reason: unknown) => reason)
  assert.instance(error, BrambleError)
  return error as BrambleError
}

test('a blob lies under its digest, and comes back from any place on', async () => {
  await using layout = await openLayout()
  const bytes = Buffer.from('0123456789'.repeat(50_000))
  const blob = await layout.write(bytes)
  assert.equal(blob, { digest: digestOf(bytes), size: bytes.length })
  assert.ok(await layout.has(blob))
  assert.is(await layout.size(blob.digest), bytes.length)
  for (const start of [0, 1, 65_536, 499_999, 500_000]) assert.ok(bytes.subarray(start).equals(await buffer(layout.read(blob, start))), String(start))
  assert.equal(await layout.blobs(), [blob.digest])
})

test('what is not there is absent, and reading it names it', async () => {
  await using layout = await openLayout()
  const blob = { digest: digestOf('nothing'), size: 7 }
  assert.not(await layout.has(blob))
  assert.is(await layout.size(blob.digest), undefined)
  assert.equal(await layout.blobs(), [])
  assert.equal((await layout.index()).manifests, [])
  const error = await failure(buffer(layout.read(blob)))
  assert.is(error.code, 'NOT_FOUND')
  assert.ok(error.message.includes(pathOf(layout, blob)))
})

cases('a spoilt blob is noticed before its last byte is given, and named', [
  { name: 'another byte in the first half', spoil: (bytes: Buffer) => { bytes[10] = 1; return bytes } },
  { name: 'another last byte', spoil: (bytes: Buffer) => { bytes[bytes.length - 1] = 1; return bytes } },
  { name: 'cut', spoil: (bytes: Buffer) => bytes.subarray(0, -1) },
  { name: 'too long', spoil: (bytes: Buffer) => Buffer.concat([bytes, Buffer.from('x')]) },
  { name: 'empty', spoil: () => Buffer.alloc(0) },
], async ({ spoil }) => {
  await using layout = await openLayout()
  const blob = await layout.write(Buffer.alloc(200_000, 'x'))
  await writeFile(pathOf(layout, blob), spoil(await readFile(pathOf(layout, blob))))
  for (const start of [0, 199_000]) {
    let received = start
    const error = await failure((async () => {
      for await (const chunk of layout.read(blob, start)) received += chunk.length
    })())
    assert.is(error.code, 'INVALID')
    assert.ok(error.message.includes(pathOf(layout, blob)) && error.message.includes('make the image again'), error.message)
    assert.ok(received < blob.size, `${received} bytes were given`)
  }
  // Writing it again mends it.
  await layout.write(Buffer.alloc(200_000, 'x'))
  assert.is((await buffer(layout.read(blob))).length, 200_000)
})

test('a blob that is not the expected one is refused, and leaves nothing', async () => {
  await using layout = await openLayout()
  assert.match((await failure(layout.write('abc', { digest: digestOf('abd') }))).message, /spoilt on its way/)
  assert.match((await failure(layout.write('abc', { size: 4 }))).message, /should have 4 bytes, but has 3/)
  const broken = async function* () { yield Buffer.from('a'); throw new BrambleError('UPSTREAM', 'cut') }
  assert.is((await failure(layout.write(broken()))).message, 'cut')
  assert.equal(await layout.blobs(), [])
  assert.equal(await readdir(join(layout.folder, '.drafts')), [])
})

test('JSON that is none, and an index that is damaged, are named', async () => {
  await using layout = await openLayout()
  assert.match((await failure(layout.readJson(await layout.write('{')))).message, /is no JSON/)
  await writeFile(join(layout.folder, 'index.json'), '{"manifests":{}}')
  assert.match((await failure(layout.index())).message, /index.json is damaged: remove the folder/)
})

test('an image is found by its name, the newest of a name only', async () => {
  await using layout = await openLayout()
  const images = await Promise.all([1, 2, 3, 4].map((value) => layout.writeJson(mediaTypes.index, { value })))
  for (const [index, image] of images.entries()) await layout.tag(`team/image${index % 2}:1`, image)
  assert.is((await layout.index()).manifests.length, 2)
  assert.is((await layout.find('team/image0:1'))?.digest, images[2]?.digest)
  assert.is((await layout.find('team/image1:1'))?.digest, images[3]?.digest)
  assert.is(await layout.find('team/image2:1'), undefined)
  assert.is(await readFile(join(layout.folder, 'oci-layout'), 'utf8'), '{"imageLayoutVersion":"1.0.0"}')
})

test('a process that was killed while it tagged holds nobody up', async () => {
  await using layout = await openLayout()
  const image = await layout.writeJson(mediaTypes.index, {})
  const source = `const { createFileLock } = await import(${JSON.stringify(join(import.meta.dirname, '../../platform/lib/file-lock.ts'))})
    console.log(createFileLock(process.argv[1]).tryAcquire()); setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', source, join(layout.folder, '.index.lock')], { stdio: ['ignore', 'pipe', 'inherit'] })
  assert.is(String((await once(child.stdout, 'data'))[0]).trim(), 'true')
  const tagged = layout.tag('team/image:1', image)
  child.kill('SIGKILL')
  await tagged
  assert.is((await layout.find('team/image:1'))?.digest, image.digest)
})

test('processes that tag at the same time lose nothing of each other', async () => {
  await using layout = await openLayout()
  const image = await layout.writeJson(mediaTypes.index, {})
  const script = `import { createLayout } from ${JSON.stringify(join(import.meta.dirname, '../../platform/image/layout.ts'))}
    const layout = createLayout(process.argv[1])
    for (let i = 0; i < 20; i++) await layout.tag(process.argv[2] + i, JSON.parse(process.argv[3]))`
  const run = promisify(execFile)
  await Promise.all(['one', 'two', 'three'].map((name) =>
    run(process.execPath, ['--input-type=module', '-e', script, layout.folder, name, JSON.stringify(image)])))
  assert.is((await layout.index()).manifests.length, 60)
}, { timeoutMs: 60_000 })

test('only old blobs that nobody needs are swept', async () => {
  await using layout = await openLayout()
  const [needed, old, young] = await Promise.all(['needed', 'old', 'young'].map((text) => layout.write(text)))
  assert.ok(needed && old && young)
  const past = new Date(Date.now() - 10_000_000)
  for (const blob of [needed, old]) await utimes(pathOf(layout, blob), past, past)
  await layout.sweep(new Set([needed.digest]), new Date(Date.now() - 1_000_000))
  assert.equal((await layout.blobs()).toSorted(), [needed.digest, young.digest].toSorted())
})

test('a folder that cannot be is named, with what is in its way', async () => {
  await using layout = await openLayout()
  await writeFile(layout.folder, 'a file')
  const error = await failure(layout.write('abc'))
  assert.is(error.message, `the blob of an image cannot be written to ${layout.folder}: a file is where a folder must be; remove it`)
})

test('a full disk is named with the remedy', async () => {
  // /dev/full answers as a full disk does.
  const full = await writeFile('/dev/full', 'abc').then(() => undefined, (error: unknown) => error)
  const error = diskError(full, 'a layer', '/media/card/images')
  assert.instance(error, BrambleError)
  assert.match(String(error), /a layer cannot be written to \/media\/card\/images: the disk is full; make room/)
})
