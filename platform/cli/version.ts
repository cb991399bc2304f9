/** Release and commit of this Bramble. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { projectRoot } from './project.ts'

export type BrambleVersion = { readonly release: string; readonly sha: string }

/** Parts that are not there read `unknown`: a copy without its repository still runs. */
export function readVersion(): BrambleVersion {
  const manifest: unknown = JSON.parse(readFileSync(join(projectRoot(), 'package.json'), 'utf8'))
  const release = typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : 'unknown'
  return { release, sha: readCommit(join(projectRoot(), '.git')) ?? 'unknown' }
}

function readCommit(git: string): string | undefined {
  const read = (name: string): string | undefined =>
    existsSync(join(git, name)) ? readFileSync(join(git, name), 'utf8').trim() : undefined
  const head = read('HEAD')
  const branch = /^ref: (refs\/[\w./-]+)$/.exec(head ?? '')?.[1]
  if (branch === undefined) return head
  return read(branch) ?? read('packed-refs')?.split('\n').find((line) => line.endsWith(` ${branch}`))?.split(' ')[0]
}
