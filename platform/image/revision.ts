/** The last commit that touched something: what an image says of its origin, and of its age, without a clock. */
import { relative } from 'node:path'
import { BrambleError } from '../lib/errors.ts'
import { programOutput } from './program.ts'

export type Revision = {
  /** Absent outside of a repository, and where a shallow clone does not know. */
  readonly commit?: string
  /** RFC 3339, UTC. */
  readonly created: string
}

/** Of what has no commit. */
const UNKNOWN_DATE = '1980-01-01T00:00:00Z'
const REMEDY = 'images made without it do not name their revision'

/** `paths` outside of the repository of `folder` do not count. Uncommitted changes show as `-dirty`, as in `git describe`. */
export async function revisionOf(folder: string, paths: readonly string[]): Promise<Revision> {
  const git = async (...args: readonly string[]): Promise<string> =>
    (await programOutput('git', ['-C', folder, ...args], { remedy: REMEDY })).trim()
  try {
    if (await git('rev-parse', '--is-shallow-repository') === 'true') return { created: UNKNOWN_DATE }
    const top = await git('rev-parse', '--show-toplevel')
    const inside = paths.filter((path) => !relative(top, path).startsWith('..'))
    const [commit, seconds] = (await git('log', '-1', '--format=%H %ct', '--', ...inside)).split(' ')
    if (!commit) return { created: UNKNOWN_DATE }
    const isDirty = await git('status', '--porcelain', '--untracked-files=normal', '--', ...inside) !== ''
    return {
      commit: isDirty ? `${commit}-dirty` : commit,
      created: new Date(Number(seconds) * 1_000).toISOString().replace('.000Z', 'Z'),
    }
  } catch (error) {
    // No repository, or no git.
    if (error instanceof BrambleError) return { created: UNKNOWN_DATE }
    throw error
  }
}
