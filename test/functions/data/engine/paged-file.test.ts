import * as assert from 'node:assert/strict'
import { createPagedFile, PAGE_BYTES, type FileView, type PagedFile } from '../../../../functions/data/engine/paged-file.ts'
import { cases, test } from '../../../kit.ts'
import { randomOf } from './random.ts'

const seeds = Array.from({ length: 20 }, (_, index) => ({ name: `seed ${index + 1}`, seed: index + 1 }))

cases('a file is what was written, its changes make the same of another one, and a view stays as it was', seeds, ({ seed }) => {
  const random = randomOf(seed)
  const file = createPagedFile()
  const copy = createPagedFile()
  let model = Buffer.alloc(0)
  const views: { view: FileView; expected: Buffer; read: Buffer[] }[] = []
  const readOn = (one: (typeof views)[number]): boolean => {
    const part = one.view.read(PAGE_BYTES * (1 + random.below(4)))
    one.read.push(Buffer.from(part))
    if (part.length > 0) return false
    assert.ok(Buffer.concat(one.read).equals(one.expected), 'a view stays as it was')
    return true
  }
  for (let step = 0; step < 400; step++) {
    const choice = random.below(20)
    if (choice < 12) {
      // SQLite writes pages; other lengths and places are for files of other page sizes.
      const isPage = random.below(4) > 0
      const offset = isPage ? random.below(30) * PAGE_BYTES : random.below(30 * PAGE_BYTES)
      const length = isPage ? PAGE_BYTES : 1 + random.below(3 * PAGE_BYTES)
      const bytes = random.below(3) === 0 ? random.bytes(length) : changedAPiece(model.subarray(offset, offset + length), length, random.below(length))
      const grown = Buffer.alloc(Math.max(model.length, offset + length))
      model.copy(grown)
      bytes.copy(grown, offset)
      model = grown
      file.write(bytes, offset)
    } else if (choice < 14) {
      const size = random.below(32 * PAGE_BYTES)
      const cut = Buffer.alloc(size)
      model.copy(cut)
      model = cut
      file.truncate(size)
    } else if (choice < 16 && views.length < 5) {
      views.push({ view: file.view(), expected: Buffer.from(model), read: [] })
    } else if (choice < 19) {
      const index = random.below(views.length + 1)
      const one = views[index]
      if (one !== undefined && readOn(one)) views.splice(index, 1)
    } else {
      views.pop()?.view.close()
    }
    if (random.below(3) === 0) assertSame(file, copy, model)
  }
  assertSame(file, copy, model)
  for (const one of views) while (!readOn(one)) { /* to its end */ }
  const memory = file.memoryBytes()
  assert.ok(memory <= 2 ** 20 * 2, 'what views held is given back')
})

test('changes that are applied twice, or on top of a later state, make the same file', () => {
  const file = createPagedFile()
  const random = randomOf(7)
  const all: Uint8Array[] = []
  for (let step = 0; step < 50; step++) {
    file.write(random.bytes(PAGE_BYTES), random.below(10) * PAGE_BYTES)
    if (step % 10 === 9) file.truncate(random.below(10) * PAGE_BYTES)
    const changes = file.takeChanges()
    if (changes !== undefined) all.push(changes)
  }
  const copy = createPagedFile()
  for (const changes of [...all, ...all.slice(20)]) copy.apply(changes)
  assert.ok(contentOf(copy).equals(contentOf(file)))
})

test('a changed word costs a word, not a page', () => {
  const file = createPagedFile()
  const page = Buffer.alloc(PAGE_BYTES, 1)
  file.write(page, 0)
  file.takeChanges()
  page.writeUInt32LE(7, 400)
  file.write(page, 0)
  assert.equal(file.takeChanges()?.length, 12)
  file.write(page, 0)
  assert.equal(file.takeChanges(), undefined)
})

function changedAPiece(current: Buffer, length: number, at: number): Buffer {
  const bytes = Buffer.alloc(length)
  current.copy(bytes)
  bytes.fill(0xab, at, Math.min(length, at + 30))
  return bytes
}

function contentOf(file: PagedFile): Buffer {
  const content = Buffer.alloc(file.size())
  assert.equal(file.read(content, 0), content.length)
  return content
}

function assertSame(file: PagedFile, copy: PagedFile, model: Buffer): void {
  assert.ok(contentOf(file).equals(model), 'the file is what was written')
  const changes = file.takeChanges()
  if (changes !== undefined) copy.apply(changes)
  assert.ok(contentOf(copy).equals(model), 'its changes make the same of another one')
}
