/** Builds functions side by side, and says what became of each. */
import { join, sep } from 'node:path'
import { handlerFolder } from '../stack/build-context.ts'
import { BUNDLED_LANG } from '../stack/handler-file.ts'
import { imageName } from '../stack/image-name.ts'
import type { StackFunction } from '../stack/parse-stack.ts'
import type { StackFile } from '../stack/read-stack.ts'
import { bundleFunction, type Bundled } from './bundle-function.ts'
import { copyFunction, type Copied } from './copy-function.ts'
import { messagesOf } from './messages.ts'
import type { Output } from './output.ts'
import { elapsedMs, type Report } from './report.ts'

/** A function as it was last built. */
export type FunctionBuild = {
  readonly one: StackFunction
  /** Absolute; `undefined` when there is none. */
  readonly folder: string | undefined
  /** Absolute. */
  readonly inputs: ReadonlySet<string>
  readonly isBroken: boolean
}

export type FunctionBuilder = {
  /** Never rejects: what is wrong with one function is reported, and the others are built. In the order of `functions`. */
  build(stack: StackFile, functions: readonly StackFunction[]): Promise<readonly FunctionBuild[]>
}

export type BuilderDeps = {
  readonly root: string
  readonly outFolder: string
  readonly output: Output
  readonly report: Report
}

export function createFunctionBuilder({ report, ...deps }: BuilderDeps): FunctionBuilder {
  type Images = Map<string, Promise<Bundled | Copied>>

  const buildOne = async (stack: StackFile, one: StackFunction, images: Images): Promise<FunctionBuild> => {
    const began = performance.now()
    const build: FunctionBuild = { one, folder: undefined, inputs: new Set(), isBroken: false }
    if (one.isBuildSkipped || (one.handler === undefined && one.lang === undefined)) {
      report({ event: 'skipped', function: one.name })
      return build
    }
    let folder: string | undefined
    try {
      folder = handlerFolder(stack, one)
      const image = imageName(one)
      const made = images.get(image) ?? (one.lang === BUNDLED_LANG
        ? bundleFunction(stack, one, folder, { ...deps, warn: (text) => report({ event: 'warning', function: one.name, messages: [text] }) })
        : copyFunction(stack, one, deps))
      images.set(image, made)
      const { inputs, ...built } = await made
      report({ event: 'function', function: one.name, ...built, ms: elapsedMs(began) })
      return { ...build, folder, inputs: new Set(inputs) }
    } catch (error) {
      report({ event: 'failed', function: one.name, messages: messagesOf(error) })
      return { ...build, folder, isBroken: true }
    }
  }

  return {
    build(stack, functions) {
      // Functions that share an image share its build.
      const images: Images = new Map()
      return Promise.all(functions.map((one) => buildOne(stack, one, images)))
    },
  }
}

export function countBroken(builds: readonly FunctionBuild[]): number {
  return builds.filter(({ isBroken }) => isBroken).length
}

/** Whether a change of these files makes another function of it. */
export function isTouched({ one, folder, inputs, isBroken }: FunctionBuild, paths: ReadonlySet<string>): boolean {
  if (folder === undefined || isBroken) return true
  const isCopied = one.lang !== BUNDLED_LANG
  return [...paths].some((path) => inputs.has(path) || (isCopied && path.startsWith(join(folder, sep))))
}
