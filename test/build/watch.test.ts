import * as assert from 'node:assert/strict'
import { once } from 'node:events'
import { rename, rm, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { eventually, test } from '../kit.ts'
import { createProject, type Event, type Files, launchWatch, stackOf, startWatch } from './project.ts'

const two: Files = {
  'stack.yml': stackOf('one', 'two'),
  'one/handler.ts': 'import { word } from "./word.ts"\nexport default () => word\n',
  'one/word.ts': 'export const word = "first"\n',
  'two/handler.ts': 'export default () => 2\n',
}
const isDone = (events: readonly Event[]): boolean => events.some(({ event }) => event === 'done')
const built = (events: readonly Event[]): unknown[] =>
  events.filter(({ event, isChanged }) => event === 'function' && isChanged === true).map((event) => event['function'])

test('only the function whose source has changed is built again', async () => {
  await using project = await createProject(two)
  await using watch = await startWatch(project, '-f', 'stack.yml')
  watch.mark()
  await project.write({ 'one/word.ts': 'export const word = "second"\n' })
  const events = await watch.until('the change is built', isDone)
  assert.deepEqual(events.filter(({ event }) => event === 'function').map((event) => [event['function'], event['isChanged']]), [['one', true]])
  assert.match(await project.read('dist/functions/one/index.mjs'), /"second"/)
})

test('what changes while the first build runs is built as well', async () => {
  await using project = await createProject({
    ...two,
    'stack.yml': `${stackOf('one', 'two', 'long')}  py:\n    lang: python\n    fprocess: python3 main.py\n    handler: ./py\n    image: test/py:1\n`,
    'one/deep/word.ts': 'export const word = "first"\n',
    'one/handler.ts': 'import { word } from "./deep/word.ts"\nexport default () => word\n',
    'py/main.py': 'print(1)\n', 'py/gone.py': 'print(2)\n',
    // Keeps the build busy after the others are done.
    'long/handler.ts': `${Array.from({ length: 60_000 }, (_, index) => `export const n${index}: number = ${index}`).join('\n')}\nexport default () => 1\n`,
  })
  await using watch = launchWatch(project, '-f', 'stack.yml')
  await watch.until('the short ones are built', (events) => built(events).includes('one') && built(events).includes('py'))
  // What is moved in keeps the time it was written, long ago.
  await project.write({ 'draft.ts': 'export const word = "second"\n' })
  await utimes(join(project.folder, 'draft.ts'), 0, 0)
  await rename(join(project.folder, 'draft.ts'), join(project.folder, 'one/deep/word.ts'))
  await rm(join(project.folder, 'py/gone.py'))
  await project.write({ 'py/more/come.py': 'print(3)\n' })
  await eventually('the changes are built', async () => (await project.read('dist/functions/one/index.mjs')).includes('"second"'))
  await eventually('the new file is copied', () => project.read('dist/functions/py/more/come.py').catch(() => false))
  await eventually('the removed file is gone', () => project.read('dist/functions/py/gone.py').then(() => false, () => true))
})

test('an editor that replaces the file is noticed too', async () => {
  await using project = await createProject(two)
  await using watch = await startWatch(project, '-f', 'stack.yml')
  watch.mark()
  await writeFile(join(project.folder, 'one/.word.ts.swp'), 'export const word = "third"\n')
  await rename(join(project.folder, 'one/.word.ts.swp'), join(project.folder, 'one/word.ts'))
  // The draft's own event may end a round in which nothing changed.
  assert.deepEqual(built(await watch.until('the change is built', (events) => isDone(events) && built(events).length > 0)), ['one'])
})

test('a source outside the handler folder is watched, for all that use it', async () => {
  await using project = await createProject({
    ...two, 'shared/text.ts': 'export const text = 1\n',
    'one/handler.ts': 'import { text } from "../shared/text.ts"\nexport default () => text\n',
    'two/handler.ts': 'import { text } from "../shared/text.ts"\nexport default () => text + 1\n',
  })
  await using watch = await startWatch(project, '-f', 'stack.yml')
  watch.mark()
  await project.write({ 'shared/text.ts': 'export const text = 40\n' })
  assert.deepEqual(built(await watch.until('both are built', isDone)).sort(), ['one', 'two'])
})

test('a broken function is told, keeps its last bundle, and is built when it is repaired', async () => {
  await using project = await createProject(two)
  await using watch = await startWatch(project, '-f', 'stack.yml')
  const bundle = await project.read('dist/functions/two/index.mjs')
  watch.mark()
  await project.write({ 'two/handler.ts': 'export default () => (\n' })
  const [failed] = await watch.until('the failure is told', isDone)
  assert.deepEqual([failed?.event, failed?.['function'], failed?.['messages']], ['failed', 'two', ['two/handler.ts:2:1: unexpected end of file']])
  assert.equal(await project.read('dist/functions/two/index.mjs'), bundle)
  watch.mark()
  await project.write({ 'two/handler.ts': 'export default () => 3\n' })
  assert.deepEqual(built(await watch.until('the repair is built', isDone)), ['two'])
})

test('a file that was missing is noticed when it comes', async () => {
  await using project = await createProject({ ...two, 'one/handler.ts': 'import { x } from "./deep/er.ts"\nexport default () => x\n', 'one/deep/other.ts': '' })
  await using watch = await startWatch(project, '-f', 'stack.yml')
  watch.mark()
  await project.write({ 'one/deep/er.ts': 'export const x = 1\n' })
  assert.deepEqual(built(await watch.until('the function is built', isDone)), ['one'])
})

test('a folder that was missing is noticed when it comes', async () => {
  await using project = await createProject({ ...two, 'stack.yml': stackOf('one', 'two').replace('./two', './later/two') , 'later/README': '' })
  await using watch = await startWatch(project, '-f', 'stack.yml')
  watch.mark()
  await project.write({ 'later/two/handler.ts': 'export default () => 2\n' })
  await watch.until('the function is built', (events) => built(events).includes('two'))
})

test('a new function in the stack file is built, and a broken stack file is told and survived', async () => {
  await using project = await createProject({ ...two, 'three/handler.ts': 'export default () => 3\n' })
  await using watch = await startWatch(project, '-f', 'stack.yml')
  watch.mark()
  await project.write({ 'stack.yml': 'provider: [' })
  const [failed] = await watch.until('the failure is told', (events) => events.some(({ event }) => event === 'failed'))
  assert.deepEqual(failed?.['messages'], ['stack.yml:1:12: flow sequence in block collection must be sufficiently indented and end with a ]'])
  watch.mark()
  await project.write({ 'stack.yml': stackOf('one', 'two', 'three') })
  const events = await watch.until('the new function is built', isDone)
  assert.deepEqual(built(events), ['three'])
  assert.equal(events.some(({ event }) => event === 'stack'), true)
})

test('an environment file belongs to the stack file', async () => {
  await using project = await createProject({
    ...two, 'stack.yml': `${stackOf('one')}    environment_file: [settings/env.yml]\n`, 'settings/env.yml': 'environment: {A: b}\n',
  })
  await using watch = await startWatch(project, '-f', 'stack.yml')
  watch.mark()
  await project.write({ 'settings/env.yml': 'environment: {A: c}\n' })
  assert.deepEqual(built(await watch.until('the change is told', (events) => isDone(events) && events.some(({ event }) => event === 'stack'))), [])
})

test('a copied function follows its files, also when one goes', async () => {
  await using project = await createProject({
    'stack.yml': stackOf('py').replace('lang: node-ts', 'lang: python\n    fprocess: python3 main.py'),
    'py/main.py': 'print(1)\n', 'py/data/old.txt': 'x',
  })
  await using watch = await startWatch(project, '-f', 'stack.yml')
  assert.equal(await project.read('dist/functions/py/data/old.txt'), 'x')
  watch.mark()
  await rm(join(project.folder, 'py/data/old.txt'))
  await watch.until('the removal is seen', isDone)
  await assert.rejects(project.read('dist/functions/py/data/old.txt'), { code: 'ENOENT' })
})

test('the watch ends when nobody listens any more', async () => {
  await using project = await createProject(two)
  await using watch = await startWatch(project, '-f', 'stack.yml')
  const closed = once(watch.child, 'close')
  watch.child.stdin.end()
  assert.deepEqual(await closed, [0, null])
})
