/** What is in a Debian package. */
import { programOutput, runProgram } from './program.ts'
import { readTar, type ReadEntry } from './tar.ts'

export type Deb = {
  readonly entries: readonly ReadEntry[]
  /** Its description, which says name and version. */
  readonly control: string
}

const REMEDY = 'it is part of Debian; use --base with an image instead, as in --base node:24-slim'

/** Reads a `.deb` file. */
export async function readDeb(file: string, isWanted: (path: string) => boolean): Promise<Deb> {
  return {
    entries: await readTar(runProgram('dpkg-deb', ['--fsys-tarfile', file], { remedy: REMEDY }), file, isWanted),
    control: await programOutput('dpkg-deb', ['--field', file], { remedy: REMEDY }),
  }
}
