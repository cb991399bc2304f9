import * as assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readDeployment } from '../../platform/stack/deployment.ts'
import { selectFunctions } from '../../platform/stack/filter.ts'
import { readStack } from '../../platform/stack/read-stack.ts'
import { cases, test } from '../kit.ts'
import { layOut, optionOf, recordedScenarios, type Scenario } from './recorded.ts'

/** Scenarios that use what a stack file cannot say. */
const exceptions: Readonly<Record<string, string>> = {
  'deploy-full-flags': 'flags that change single functions: they belong into the stack file',
  'deploy-missing-secret-400': 'a secret given as a flag',
  'deploy-read-template-false': 'a flag that leaves the template unread: "fprocess" in the stack file does that',
}

async function deploymentsOf(scenario: Scenario, cwd: string): Promise<unknown[]> {
  const stack = await readStack({ cwd, file: optionOf(scenario, '-f'), variables: scenario.env ?? {} })
  const filter = optionOf(scenario, '--filter')
  const regex = optionOf(scenario, '--regex')
  return Promise.all(selectFunctions(stack.functions, { filter, regex })
    .map((one) => readDeployment(stack, one, { namespace: optionOf(scenario, '-n'), templateHomes: [] })))
}

const scenarios = recordedScenarios('deploy-', 'up-').filter(({ name }) => !Object.hasOwn(exceptions, name))
const deploying = scenarios.filter(({ exchanges }) => exchanges.some(({ request }) => request.path === '/system/functions' && request.method !== 'DELETE'))

test('the recorded scenarios are there', () => {
  assert.ok(deploying.length >= 20, `${deploying.length} scenarios`)
  const names = recordedScenarios('deploy-').map(({ name }) => name)
  assert.deepEqual(Object.keys(exceptions).filter((name) => !names.includes(name)), [])
})

cases('a stack file becomes the very body that faas-cli sends', deploying, async (scenario) => {
  await using at = await layOut(scenario.files)
  const sent = new Map(scenario.exchanges.filter(({ request }) => request.method !== 'DELETE')
    .map(({ request }) => [JSON.stringify(request.body), request.body]))
  const byName = (a: unknown, b: unknown): number => JSON.stringify(a) < JSON.stringify(b) ? -1 : 1
  assert.deepEqual((await deploymentsOf(scenario, at.folder)).sort(byName), [...sent.values()].sort(byName))
})

cases('what faas-cli refuses before it calls is refused', [
  { name: 'deploy-filter-no-match', says: /no function in the stack file matches --filter "zzz"/ },
  { name: 'deploy-template-missing', says: /function hello has lang "demo", but there is no template\/demo\/template\.yml/ },
  { name: 'deploy-bad-provider', says: /provider\.name must be openfaas, not other/ },
], async ({ name, says }) => {
  const [scenario] = recordedScenarios(name)
  assert.ok(scenario)
  await using at = await layOut(scenario.files)
  await assert.rejects(deploymentsOf(scenario, at.folder), says)
})

const oneFunction = (lines: string): string =>
  `provider: {name: openfaas}\nfunctions:\n  a:\n    image: x/a\n${lines.replace(/^/gm, '    ')}\n`

async function deploymentIn(files: Record<string, string>): Promise<unknown> {
  await using at = await layOut(files)
  const stack = await readStack({ cwd: at.folder, variables: {} })
  const [one] = stack.functions
  assert.ok(one)
  return await readDeployment(stack, one, { templateHomes: [] })
}

test('stack.yaml is preferred over stack.yml', async () => {
  await using at = await layOut({
    'stack.yml': 'provider: {name: openfaas}\nfunctions: {b: {image: x/b}}',
    'stack.yaml': 'provider: {name: openfaas}\nfunctions: {a: {image: x/a}}',
  })
  const stack = await readStack({ cwd: at.folder })
  assert.deepEqual([stack.path, stack.functions.map(({ name }) => name)], [join(at.folder, 'stack.yaml'), ['a']])
})

test('a later environment file wins, and its values stay as they are written', async () => {
  const body = await deploymentIn({
    'stack.yml': oneFunction('environment: {a: 1, b: 1}\nenvironment_file: [one.yml, two.yml]'),
    'one.yml': 'environment: {a: one, c: 0x10, d: yes}',
    'two.yml': 'environment:\n  a: two\n  e: ${NOT_REPLACED}\n',
  })
  assert.deepEqual(body, {
    service: 'a', image: 'x/a', labels: {}, annotations: {},
    envVars: { a: 'two', b: '1', c: '0x10', d: 'yes', e: '${NOT_REPLACED}' },
  })
})

test('fprocess in the stack file wins over the template, which need not be there', async () => {
  const body = await deploymentIn({ 'stack.yml': oneFunction('lang: nowhere\nfprocess: ./run') })
  assert.deepEqual(body, { service: 'a', image: 'x/a', envProcess: './run', labels: {}, annotations: {} })
})

test('a template is found beside the stack file, in the current folder, then where the platform keeps its own', async () => {
  await using at = await layOut({
    'project/stack.yml': oneFunction('lang: demo'),
    'template/demo/template.yml': 'language: demo\nfprocess: from here\n',
    'home/template/demo/template.yml': 'language: demo\nfprocess: from home\n',
  })
  const read = async (cwd: string): Promise<unknown> => {
    const stack = await readStack({ cwd, file: join(at.folder, 'project/stack.yml') })
    const [one] = stack.functions
    assert.ok(one)
    return (await readDeployment(stack, one, { templateHomes: [join(at.folder, 'home')] })).envProcess
  }
  assert.equal(await read(at.folder), 'from here')
  assert.equal(await read(join(at.folder, 'home', 'template')), 'from home')
  await mkdir(join(at.folder, 'project/template/demo'), { recursive: true })
  await writeFile(join(at.folder, 'project/template/demo/template.yml'), 'fprocess: from beside\n')
  assert.equal(await read(at.folder), 'from beside')
})

cases('a file that is not as it must be is named', [
  { name: 'no stack file', files: {}, says: /^there is no stack\.yaml or stack\.yml in .*-f FILE$/ },
  { name: 'an environment file that is not there', files: { 'stack.yml': oneFunction('environment_file: [no.yml]') }, says: /^environment_file no\.yml of function a does not exist$/ },
  { name: 'an environment file of another shape', files: { 'stack.yml': oneFunction('environment_file: [e.yml]'), 'e.yml': 'A: b' }, says: /^e\.yml:1:1: an environment file needs a map "environment" at its top$/ },
  { name: 'an environment file with a list', files: { 'stack.yml': oneFunction('environment_file: [e.yml]'), 'e.yml': 'environment:\n  A: [b]' }, says: /^e\.yml:2:6: environment\.A must be a text, not a list or map$/ },
  { name: 'a lang that is a path', files: { 'stack.yml': oneFunction('lang: ../x') }, says: /^lang "\.\.\/x" of function a is not the name of a template$/ },
  { name: 'a broken template', files: { 'stack.yml': oneFunction('lang: demo'), 'template/demo/template.yml': 'a: b: c' }, says: /^template\/demo\/template\.yml:1:4: nested mappings/ },
], async ({ files, says }) => {
  await assert.rejects(deploymentIn(files), (error: Error) => { assert.match(error.message, says); return true })
})
