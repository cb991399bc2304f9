import { readdir, writeFile } from 'node:fs/promises'
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { writeArchive } from '../../platform/image/archive.ts'
import { writeImage } from '../../platform/image/image.ts'
import { digestOf } from '../../platform/image/oci.ts'
import { readTar } from '../../platform/image/tar.ts'
import { test } from '../kit.ts'
import { openWorkshop, type Workshop } from './sample-base.ts'

async function makeTwo({ layout, bases }: Workshop): Promise<void> {
  for (const name of ['one', 'two']) {
    await layout.tag(`team/${name}:1`, await writeImage(bases, { layout, layers: [], created: '2026-01-01T00:00:00Z', createdBy: '', config: { WorkingDir: `/${name}` } }))
  }
}

test('an archive is a whole layout with the chosen images, under the names that containerd looks for', async () => {
  await using workshop = await openWorkshop()
  await makeTwo(workshop)
  const path = join(workshop.folder, 'out', 'images.tar')
  await writeArchive(workshop.layout, ['team/two:1'], path)
  const entries = await readTar(createReadStream(path), 'the archive', () => true)
  const files = new Map(entries.flatMap((entry) => entry.type === 'file' ? [[entry.path, Buffer.from(entry.content)]] : []))
  assert.is(files.get('oci-layout')?.toString(), '{"imageLayoutVersion":"1.0.0"}')
  const index = JSON.parse(files.get('index.json')?.toString() ?? '{}')
  assert.is(index.manifests.length, 1)
  assert.is(index.manifests[0].annotations['io.containerd.image.name'], 'docker.io/team/two:1')
  const blobs = [...files].filter(([name]) => name.startsWith('blobs/'))
  // An index, and for each platform manifest, configuration and layer.
  assert.is(blobs.length, 7)
  for (const [name, bytes] of blobs) assert.is(digestOf(bytes), `sha256:${name.slice('blobs/sha256/'.length)}`)
  assert.equal(await readdir(join(workshop.folder, 'out')), ['images.tar'])
})

test('the same images give the same archive', async () => {
  await using first = await openWorkshop()
  await using second = await openWorkshop()
  const digests = await Promise.all([first, second].map(async (workshop) => {
    await makeTwo(workshop)
    await writeArchive(workshop.layout, ['team/one:1', 'team/two:1'], join(workshop.folder, 'images.tar'))
    return digestOf(Buffer.concat(await createReadStream(join(workshop.folder, 'images.tar')).toArray()))
  }))
  assert.is(digests[0], digests[1])
})

test('an image that is not there, or spoilt, is named, and no file appears', async () => {
  await using workshop = await openWorkshop()
  await makeTwo(workshop)
  const path = join(workshop.folder, 'images.tar')
  const failure = async (reference: string): Promise<string> =>
    writeArchive(workshop.layout, [reference], path).then(() => '', (reason: unknown) => String(reason))
  assert.match(await failure('team/three:1'), /the image team\/three:1 is not in .*make it first/)
  const layer = workshop.bases[0]?.layers[0]
  assert.ok(layer)
  await writeFile(join(workshop.layout.folder, 'blobs', 'sha256', layer.digest.slice(7)), Buffer.alloc(layer.size))
  assert.match(await failure('team/one:1'), new RegExp(`${layer.digest.slice(7)} is spoilt`))
  assert.equal((await readdir(workshop.folder)).toSorted(), ['images'])
})
