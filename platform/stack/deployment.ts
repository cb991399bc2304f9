/** A function of a stack file as the body of a deployment, exactly as faas-cli sends it. */
import { readFile } from 'node:fs/promises'
import { BrambleError, hasCode } from '../lib/errors.ts'
import type { FunctionResources } from '../openfaas/types.ts'
import { createFieldReader } from './field-reader.ts'
import type { StackFunction } from './parse-stack.ts'
import { resolveInStack, showPath, type StackFile } from './read-stack.ts'
import { readTemplate } from './template.ts'
import type { Variables } from './substitute.ts'
import { parseYaml } from './yaml.ts'

/** JSON names exact; what is not set is absent, but for `labels` and `annotations`. */
export type DeploymentBody = {
  readonly service: string
  readonly image: string
  readonly namespace?: string
  readonly envProcess?: string
  readonly envVars?: Readonly<Record<string, string>>
  readonly constraints?: readonly string[]
  readonly secrets?: readonly string[]
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly limits?: FunctionResources
  readonly requests?: FunctionResources
  readonly readOnlyRootFilesystem?: true
}

export type DeploymentOptions = {
  /** Wins over the namespace in the file. */
  readonly namespace?: string | undefined
  /** Further folders that hold `template/LANG`, after those of the stack. */
  readonly templateHomes: readonly string[]
}

/** `INVALID` when an environment file or the template is missing or wrong. */
export async function readDeployment(
  stack: StackFile, one: StackFunction, options: DeploymentOptions,
): Promise<DeploymentBody> {
  const namespace = options.namespace || one.namespace
  const envProcess = one.fprocess ?? (await readTemplate(stack, one, options.templateHomes))?.fprocess
  const envVars = { ...one.environment, ...(await readEnvironmentFiles(stack, one)) }
  return {
    service: one.name,
    image: one.image,
    ...(namespace ? { namespace } : {}),
    ...(envProcess ? { envProcess } : {}),
    ...(Object.keys(envVars).length > 0 ? { envVars } : {}),
    ...(one.constraints.length > 0 ? { constraints: one.constraints } : {}),
    ...(one.secrets.length > 0 ? { secrets: one.secrets } : {}),
    labels: one.labels,
    annotations: one.annotations,
    ...(one.limits ? { limits: one.limits } : {}),
    ...(one.requests ? { requests: one.requests } : {}),
    ...(one.isRootReadOnly ? { readOnlyRootFilesystem: true } : {}),
  }
}

/** A later file wins over an earlier one. */
async function readEnvironmentFiles(stack: StackFile, one: StackFunction): Promise<Record<string, string>> {
  const environment: Record<string, string> = {}
  for (const name of one.environmentFiles) {
    const path = resolveInStack(stack, name)
    const shown = showPath(path, stack.cwd)
    const text = await readFile(path, 'utf8').catch((cause: unknown) => {
      const why = hasCode(cause, 'ENOENT') ? 'does not exist' : 'cannot be read'
      throw new BrambleError('INVALID', `environment_file ${shown} of function ${one.name} ${why}`, { cause })
    })
    Object.assign(environment, parseEnvironment({ file: shown, text }))
  }
  return environment
}

function parseEnvironment(source: { file: string; text: string; variables?: Variables }): Record<string, string> {
  const yaml = parseYaml(source)
  const read = createFieldReader(yaml, [])
  const top = read.map(yaml.root, [])
  if (!top.has('environment')) yaml.fail([], 'an environment file needs a map "environment" at its top')
  return read.texts(top.get('environment'), ['environment'])
}
