/** `bramble lint` */
import { BrambleError } from '../lib/errors.ts'
import { checkForAny, checkForBramble } from '../stack/bramble-target.ts'
import { handlerFolder } from '../stack/build-context.ts'
import { readDeployment, type DeploymentBody } from '../stack/deployment.ts'
import { findingOf, type Finding } from '../stack/finding.ts'
import { BUNDLED_LANG, handlerFile } from '../stack/handler-file.ts'
import { checkImageNames } from '../stack/image-name.ts'
import { checkForOpenfaas } from '../stack/openfaas-target.ts'
import type { StackFunction } from '../stack/parse-stack.ts'
import { readStack, type StackFile } from '../stack/read-stack.ts'
import { createCommand, takeArguments, type Io } from './command.ts'
import { projectRoot } from './project.ts'
import { checkPublicImages } from './public-images.ts'
import { insecureRegistries, registryOptions } from './registry-access.ts'
import { chosenFunctions, stackOptions } from './target.ts'
import { paint, print, tell } from './terminal.ts'

const targets = ['bramble', 'openfaas-ce'] as const

export const lint = createCommand({
  name: 'lint',
  usage: '[options]',
  summary: 'tells all that is wrong with a stack file, before it is deployed',
  details: 'With --target openfaas-ce: what the Community Edition of OpenFaaS would refuse (errors) or ignore (warnings). 1 when there are errors.',
  options: {
    ...stackOptions,
    target: { type: 'string', value: 'PLATFORM', meaning: `where it is to be deployed: ${targets.join(' or ')} (${targets[0]})` },
    'ask-registries': { type: 'boolean', meaning: 'ask for each image without a password: Community Edition takes public ones alone' },
    'insecure-registry': registryOptions['insecure-registry'],
    json: { type: 'boolean', meaning: 'the findings as JSON' },
  },
  async run({ options, args, io }) {
    takeArguments('lint', '[options]', args, 0)
    const target = options.target ?? targets[0]
    if (!targets.some((one) => one === target)) throw new BrambleError('INVALID', `--target must be ${targets.join(' or ')}, not "${target}"`)
    const stack = await readStack({ cwd: io.cwd, file: options.yaml, variables: options.envsubst === false ? undefined : io.env })
    const functions = chosenFunctions(stack, options, [])
    const { bodies, findings } = await deploymentsOf(stack, functions)
    const asked = options['ask-registries'] ? await checkPublicImages(bodies, insecureRegistries(io, options)) : []
    const found = [...findings, ...target === 'openfaas-ce' ? [...bodies.flatMap(checkForAny), ...checkForOpenfaas(bodies)] : bodies.flatMap(checkForBramble), ...asked]
      .map((one) => ({ place: placeOf(stack, one), ...one })).toSorted((a, b) => byPlace(a.place, b.place))
    const errors = found.filter(({ level }) => level === 'error').length
    if (options.json) print(io, JSON.stringify({ file: stack.path, target, warnings: stack.warnings, findings: found }, undefined, 2))
    else show(io, stack, found, `${functions.length} ${functions.length === 1 ? 'function' : 'functions'} for ${target}`)
    return errors > 0 ? 1 : 0
  },
})

type Placed = Finding & { readonly place: string }

function show(io: Io, stack: StackFile, found: readonly Placed[], what: string): void {
  for (const warning of stack.warnings) print(io, `${paint(io, 'yellow', 'warning', 'stdout')} ${warning}`)
  for (const { level, place, function: name, field, message } of found) {
    const subject = [name, field.join(' ')].filter(Boolean).join(': ')
    print(io, `${paint(io, level === 'error' ? 'red' : 'yellow', level, 'stdout')} ${place}: ${subject}${subject && ': '}${message}`)
  }
  const count = (level: Finding['level']): string => {
    const number = found.filter((one) => one.level === level).length + (level === 'warning' ? stack.warnings.length : 0)
    return `${number} ${level}${number === 1 ? '' : 's'}`
  }
  tell(io, `${what}: ${count('error')}, ${count('warning')}`)
}

/** What would be sent; who has no deployment says why. */
async function deploymentsOf(
  stack: StackFile, functions: readonly StackFunction[],
): Promise<{ readonly bodies: readonly DeploymentBody[]; readonly findings: readonly Finding[] }> {
  const bodies: DeploymentBody[] = []
  const findings: Finding[] = []
  for (const one of functions) {
    findings.push(...findingOf(one.name, ['handler'], () => checkHandler(stack, one)))
    try {
      bodies.push(await readDeployment(stack, one, { templateHomes: [projectRoot()] }))
    } catch (error) {
      if (!(error instanceof BrambleError)) throw error
      findings.push({ level: 'error', function: one.name, field: [], message: error.message })
    }
  }
  try {
    checkImageNames(functions)
  } catch (error) {
    if (!(error instanceof BrambleError)) throw error
    findings.push({ level: 'error', field: ['functions'], message: withoutPlace(error.message) })
  }
  return { bodies, findings: findings.map((one) => ({ ...one, message: withoutPlace(one.message) })) }
}

function checkHandler(stack: StackFile, one: StackFunction): void {
  if (one.isBuildSkipped || (one.handler === undefined && one.lang === undefined)) return
  const folder = handlerFolder(stack, one)
  if (one.lang === BUNDLED_LANG) handlerFile(folder, one)
}

function placeOf(stack: StackFile, { function: name, field }: Finding): string {
  return stack.placeOf(name === undefined ? field : ['functions', name, ...field])
}

function byPlace(a: string, b: string): number {
  const [[lineA = 0, columnA = 0], [lineB = 0, columnB = 0]] = [positionOf(a), positionOf(b)]
  return lineA - lineB || columnA - columnB
}

function positionOf(place: string): readonly number[] {
  return place.split(':').slice(-2).map(Number)
}

/** The place is told once. */
function withoutPlace(message: string): string {
  return message.replace(/^\S+:\d+:\d+: /, '')
}
