/** The image of a function: its bundle upon the base, started as `template/node-ts/Dockerfile` does it. */
import { folderEntries } from './layer.ts'
import { makeProgramImage, type MadeImage, type ProgramImageOptions } from './program-image.ts'

export type FunctionImageOptions = ProgramImageOptions & {
  readonly name: string
  /** What the build made: `dist/functions/NAME`. */
  readonly folder: string
}

const HOME = 'home/function'

/** The same input gives the same digest. `NOT_FOUND` when the function has not been built. */
export async function makeFunctionImage({ name, folder, ...options }: FunctionImageOptions): Promise<MadeImage> {
  return makeProgramImage(options, {
    title: name,
    entries: await folderEntries(folder, HOME),
    config: {
      ExposedPorts: { '8080/tcp': {}, '8081/tcp': {} },
      Env: ['NODE_ENV=production'],
      Cmd: ['node', '--max-semi-space-size=1', '--no-concurrent-recompilation', 'index.mjs'],
      WorkingDir: `/${HOME}`,
    },
  })
}
