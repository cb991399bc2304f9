import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { revisionOf } from '../../platform/image/revision.ts'
import { test } from '../kit.ts'

async function openRepository() {
  const outside = await mkdtemp(join(tmpdir(), 'bramble-revision-'))
  const folder = join(outside, 'project')
  await mkdir(folder)
  const git = (...args: string[]): string => execFileSync('git', ['-C', folder, '-c', 'user.name=t', '-c', 'user.email=t@example.org', ...args], {
    encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'],
  }).trim()
  git('init', '--quiet')
  const commit = async (path: string, text: string, date: string): Promise<string> => {
    await mkdir(join(folder, path, '..'), { recursive: true })
    await writeFile(join(folder, path), text)
    git('add', '.')
    execFileSync('git', ['-C', folder, '-c', 'user.name=t', '-c', 'user.email=t@example.org', 'commit', '--quiet', '-m', text], { env: { ...process.env, GIT_COMMITTER_DATE: date, GIT_AUTHOR_DATE: date } })
    return git('rev-parse', 'HEAD')
  }
  return { outside, folder, git, commit, [Symbol.asyncDispose]: () => rm(outside, { recursive: true, force: true }) }
}

test('the revision is the last commit that touched the input, whatever came after', async () => {
  await using repository = await openRepository()
  const { folder, commit, outside } = repository
  const first = await commit('hello/handler.ts', 'one', '2026-03-01T12:00:00+02:00')
  await commit('other/handler.ts', 'two', '2026-04-01T12:00:00Z')
  assert.equal(await revisionOf(folder, [join(folder, 'hello')]), { commit: first, created: '2026-03-01T10:00:00Z' })
  // What lies elsewhere has no history here.
  assert.equal(await revisionOf(folder, [join(folder, 'hello'), join(outside, 'template')]), { commit: first, created: '2026-03-01T10:00:00Z' })
})

test('changes that are not committed show', async () => {
  await using repository = await openRepository()
  const { folder, commit } = repository
  const first = await commit('hello/handler.ts', 'one', '2026-03-01T12:00:00Z')
  await writeFile(join(folder, 'other.txt'), 'not its input')
  assert.is((await revisionOf(folder, [join(folder, 'hello')])).commit, first)
  await writeFile(join(folder, 'hello', 'new.ts'), 'its input')
  assert.is((await revisionOf(folder, [join(folder, 'hello')])).commit, `${first}-dirty`)
})

test('without history there is a date, and no commit', async () => {
  await using repository = await openRepository()
  const { folder, outside, commit, git } = repository
  await commit('hello/handler.ts', 'one', '2026-03-01T12:00:00Z')
  const unknown = { created: '1980-01-01T00:00:00Z' }
  assert.equal(await revisionOf(folder, [join(folder, 'never')]), unknown)
  assert.equal(await revisionOf(outside, [join(outside, 'hello')]), unknown)
  assert.equal(await revisionOf(join(outside, 'nowhere'), []), unknown)
  // In a shallow clone the last commit looks as if it had touched everything.
  await commit('other/handler.ts', 'two', '2026-04-01T12:00:00Z')
  git('clone', '--quiet', '--depth', '1', `file://${folder}`, join(outside, 'shallow'))
  assert.equal(await revisionOf(join(outside, 'shallow'), [join(outside, 'shallow', 'hello')]), unknown)
})
