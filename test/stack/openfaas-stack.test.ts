/** stack.openfaas.yml beside stack.yml. */
import * as assert from 'node:assert/strict'
import { join } from 'node:path'
import { readDeployment, type DeploymentBody } from '../../platform/stack/deployment.ts'
import { checkForOpenfaas } from '../../platform/stack/openfaas-target.ts'
import { readStack } from '../../platform/stack/read-stack.ts'
import { test } from '../kit.ts'

const ROOT = join(import.meta.dirname, '../..')

async function read(file: string, variables: Readonly<Record<string, string>> = {}): Promise<readonly DeploymentBody[]> {
  const stack = await readStack({ cwd: ROOT, file, variables })
  return Promise.all(stack.functions.map((one) => readDeployment(stack, one, { templateHomes: [] })))
}

test('stack.openfaas.yml has every function of stack.yml, and differs only where Community Edition leaves no choice', async () => {
  const [ours, theirs] = await Promise.all([read('stack.yml'), read('stack.openfaas.yml')])
  assert.deepEqual(theirs, ours.map((one) => {
    // What Community Edition has a word against goes.
    const against = checkForOpenfaas([one]).map(({ field }) => field.at(-1) ?? '')
    const { constraints: _, ...rest } = one
    const without = (all: Readonly<Record<string, string>>): Record<string, string> => Object.fromEntries(Object.entries(all).filter(([name]) => !against.includes(name)))
    const kept = { ...rest, labels: without(one.labels), annotations: without(one.annotations) }
    // Whose keys affinity spreads has one replica instead.
    const single = { 'com.openfaas.scale.min': '1', 'com.openfaas.scale.max': '1' }
    return one.annotations['bramble/affinity'] === undefined ? kept : { ...kept, labels: { ...kept.labels, ...single } }
  }))
})

test('the registry of its images is a variable', async () => {
  const images = (await read('stack.openfaas.yml', { OPENFAAS_PREFIX: 'ghcr.io/ada' })).map(({ service, image }) => [image, `ghcr.io/ada/${service}:0.1.0`])
  assert.ok(images.length > 0)
  for (const [image, wanted] of images) assert.equal(image, wanted)
})
