/** The schema of `stack.yaml`, as `faas-cli` reads it, but strict: typos are caught with their place in the file. */
import { BrambleError } from '../lib/errors.ts'
import { isDnsLabel } from '../openfaas/names.ts'
import type { FunctionResources } from '../openfaas/types.ts'
import { createFieldReader, type FieldReader } from './field-reader.ts'
import { parseYaml, type YamlFile, type YamlPath, type YamlSource } from './yaml.ts'

export type StackFunction = {
  readonly name: string
  readonly lang: string | undefined
  /** A folder. */
  readonly handler: string | undefined
  /** `FILE:LINE:COLUMN` of the handler, or of the function without one: for errors of the build. */
  readonly place: string
  readonly image: string
  readonly namespace: string | undefined
  readonly fprocess: string | undefined
  readonly isBuildSkipped: boolean
  readonly environment: Readonly<Record<string, string>>
  /** YAML files with a map "environment"; they win over `environment`. */
  readonly environmentFiles: readonly string[]
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly secrets: readonly string[]
  readonly constraints: readonly string[]
  readonly limits: FunctionResources | undefined
  readonly requests: FunctionResources | undefined
  readonly isRootReadOnly: boolean
  readonly buildArgs: Readonly<Record<string, string>>
}

export type Stack = {
  readonly gateway: string | undefined
  /** In file order. */
  readonly functions: readonly StackFunction[]
  /** Files and folders that go into every build context. */
  readonly copy: readonly string[]
  /** One line each: keys that mean nothing here. */
  readonly warnings: readonly string[]
  /** `FILE:LINE:COLUMN` of what is at these keys, or of what is nearest above it. */
  placeOf(path: YamlPath): string
}

const topKeys = ['version', 'provider', 'functions', 'configuration']
const providerKeys = ['name', 'gateway', 'network']
const configurationKeys = ['templates', 'copy']
const resourceKeys = ['memory', 'cpu', 'nvidia.com/gpu', 'amd.com/gpu', 'intel.com/gpu'] as const
const functionKeys = [
  'lang', 'handler', 'image', 'namespace', 'fprocess', 'skip_build', 'environment', 'environment_file', 'labels',
  'annotations', 'secrets', 'constraints', 'limits', 'requests', 'readonly_root_filesystem', 'build_args',
  'build_options', 'build_secrets', 'platforms',
]

/** `INVALID` with file, line and column for anything wrong; a line for each function that is. */
export function parseStack(source: YamlSource): Stack {
  const yaml = parseYaml(source)
  const warnings: string[] = []
  const read = createFieldReader(yaml, warnings)

  const top = read.fields([], 'the stack file', topKeys)
  const version = read.text(top.get('version'), ['version'])
  if (version !== '' && version !== '1.0') yaml.fail(['version'], `version must be 1.0, not ${version}`)
  const provider = read.fields(['provider'], 'provider', providerKeys, top.get('provider'))
  const providerName = read.text(provider.get('name'), ['provider', 'name'])
  if (providerName !== 'openfaas') {
    yaml.fail(['provider', 'name'], `provider.name must be openfaas${providerName && `, not ${providerName}`}`)
  }
  const gateway = read.text(provider.get('gateway'), ['provider', 'gateway'])
  const configuration = read.fields(['configuration'], 'configuration', configurationKeys, top.get('configuration'))

  const functions: StackFunction[] = []
  const faults: string[] = []
  for (const [name, value] of read.map(top.get('functions'), ['functions'])) {
    try {
      functions.push(readFunction(read, yaml, name, value))
    } catch (error) {
      if (!(error instanceof BrambleError)) throw error
      faults.push(error.message)
    }
  }
  if (faults.length > 0) throw new BrambleError('INVALID', faults.join('\n'))
  return {
    gateway: gateway || undefined,
    functions,
    copy: read.list(configuration.get('copy'), ['configuration', 'copy']),
    warnings,
    placeOf: (path) => yaml.placeOf(path),
  }
}

function readFunction(read: FieldReader, yaml: YamlFile, name: string, value: unknown): StackFunction {
  const path = ['functions', name]
  if (!isDnsLabel(name)) {
    throw new BrambleError('INVALID', `${yaml.placeOf(path, 'key')}: function name "${name}" is not valid: ` +
      'use lower-case letters, digits and "-", at most 63 characters')
  }
  const fields = read.fields(path, `function ${name}`, functionKeys, value)
  const text = (key: string): string => read.text(fields.get(key), [...path, key])
  const texts = (key: string): Record<string, string> => read.texts(fields.get(key), [...path, key])
  const list = (key: string): string[] => read.list(fields.get(key), [...path, key])
  const flag = (key: string): boolean => read.flag(fields.get(key), [...path, key])
  const resources = (key: 'limits' | 'requests'): FunctionResources | undefined => {
    const map = read.fields([...path, key], key, resourceKeys, fields.get(key))
    const kept: { [key in typeof resourceKeys[number]]?: string } = {}
    for (const resource of resourceKeys) {
      const amount = read.text(map.get(resource), [...path, key, resource])
      if (amount) kept[resource] = amount
    }
    return Object.keys(kept).length > 0 ? kept : undefined
  }

  const image = text('image')
  if (!image) yaml.fail([...path, 'image'], `function ${name} has no image: add "image: registry/${name}:0.1.0"`)
  return {
    name,
    image,
    lang: text('lang') || undefined,
    handler: text('handler') || undefined,
    place: yaml.placeOf(text('handler') ? [...path, 'handler'] : path),
    namespace: text('namespace') || undefined,
    fprocess: text('fprocess') || undefined,
    isBuildSkipped: flag('skip_build'),
    environment: texts('environment'),
    environmentFiles: list('environment_file'),
    labels: texts('labels'),
    annotations: texts('annotations'),
    secrets: list('secrets'),
    constraints: list('constraints'),
    limits: resources('limits'),
    requests: resources('requests'),
    isRootReadOnly: flag('readonly_root_filesystem'),
    buildArgs: texts('build_args'),
  }
}
