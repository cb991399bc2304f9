import * as assert from 'node:assert/strict'
import { readdir, readFile, rm, symlink } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { cases, test } from '../kit.ts'
import { recordedScenarios, layOut } from '../stack/recorded.ts'
import { BUILD, createProject, run } from './project.ts'

const scenarios = recordedScenarios('build-shrinkwrap').filter(({ expect }) => expect.files !== undefined)

test('the recorded scenarios are there', () => assert.equal(scenarios.length, 3))

cases('a function of another language becomes the build context that faas-cli makes', scenarios, async ({ files, expect }) => {
  await using at = await layOut(files)
  const { code, stderr } = await run(process.execPath, [BUILD, '-f', 'stack.yaml', '--out', 'build'], at.folder)
  assert.deepEqual([code, stderr], [0, ''])
  assert.deepEqual(await readTree(at.folder, 'build'), expect.files)
})

test('the context follows its sources: what has gone there goes here', async () => {
  const stack = 'provider: {name: openfaas}\nfunctions: {py: {image: x/py, lang: python, fprocess: python3 main.py, handler: ./py}}\n'
  await using project = await createProject({ 'stack.yml': stack, 'py/main.py': 'one', 'py/lib/a.py': 'a', 'py/build/made': 'by a build' })
  await project.build('-f', 'stack.yml')
  assert.deepEqual(await readTree(project.folder, 'dist'), { 'dist/functions/py/main.py': 'one', 'dist/functions/py/lib/a.py': 'a' })
  await project.write({ 'py/main.py': 'two' })
  await rm(join(project.folder, 'py/lib'), { recursive: true })
  const { stdout } = await project.build('-f', 'stack.yml', '--json')
  assert.match(stdout, /"files":1,"isChanged":true/)
  assert.deepEqual(await readTree(project.folder, 'dist'), { 'dist/functions/py/main.py': 'two' })
  assert.match((await project.build('-f', 'stack.yml', '--json')).stdout, /"files":1,"isChanged":false/)
})

test('a folder may become a file, and a file a folder', async () => {
  const stack = 'provider: {name: openfaas}\nfunctions: {py: {image: x/py, lang: python, fprocess: python3 a, handler: ./py}}\n'
  await using project = await createProject({ 'stack.yml': stack, 'py/a/deep/b.py': 'folder', 'py/c': 'file' })
  await project.build('-f', 'stack.yml')
  await rm(join(project.folder, 'py'), { recursive: true })
  await project.write({ 'py/a': 'file', 'py/c/d.py': 'folder' })
  assert.equal((await project.build('-f', 'stack.yml')).code, 0)
  assert.deepEqual(await readTree(project.folder, 'dist'), { 'dist/functions/py/a': 'file', 'dist/functions/py/c/d.py': 'folder' })
})

test('links become plain files, and a circle of folders ends', async () => {
  const stack = 'provider: {name: openfaas}\nfunctions: {py: {image: x/py, lang: python, fprocess: python3 main.py, handler: ./py}}\n'
  await using project = await createProject({ 'stack.yml': stack, 'py/main.py': 'one', 'shared/a.py': 'a' })
  await symlink('../shared', join(project.folder, 'py/lib'))
  await symlink('main.py', join(project.folder, 'py/alias.py'))
  await symlink('..', join(project.folder, 'py/circle'))
  const { code } = await project.build('-f', 'stack.yml')
  assert.equal(code, 0)
  const tree = await readTree(project.folder, 'dist')
  assert.deepEqual([tree['dist/functions/py/lib/a.py'], tree['dist/functions/py/alias.py']], ['a', 'one'])
  const entries = await readdir(join(project.folder, 'dist'), { recursive: true, withFileTypes: true })
  assert.deepEqual(entries.filter((entry) => entry.isSymbolicLink()), [])
})

async function readTree(folder: string, below: string): Promise<Record<string, string>> {
  const entries = await readdir(join(folder, below), { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  return Object.fromEntries(await Promise.all(files.map(async (file) => [relative(folder, file), await readFile(file, 'utf8')])))
}
